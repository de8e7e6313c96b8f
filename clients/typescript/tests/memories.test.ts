import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Conflict,
  Erased,
  InvalidRequest,
  MemoryClient,
  MemoryServiceError,
  NamespaceNotFound,
  NotFound,
  TooLarge,
  Unauthenticated,
  VersionMismatch,
} from "memory-service-client";

import { apiKey, client, freshNamespace, url } from "./service.js";

const memories = client();

test("what is added is found, with why", async () => {
  const namespace = freshNamespace();
  const added = await memories.add({ content: "Ana moved to Lisbon.", namespace, user_id: "ana", tags: ["moving"] });
  assert.equal(added.version, 1);
  const answer = await memories.search("Where does Ana live?", { namespace, top_k: 3 });
  assert.equal(answer.results[0]?.memory.id, added.id);
  assert.match(answer.results[0]?.why ?? "", /vector rank 1/);
  const packed = await memories.context({ query: "Where does Ana live?", namespace, token_budget: 100 });
  assert.match(packed.text ?? "", /Ana moved to Lisbon/);
  assert.equal(packed.citations[0]?.memory_id, added.id);
  assert.ok(packed.tokens <= 100);
});

test("a text alone is a memory of the default namespace", async () => {
  const text = `A heron stood in the river. ${freshNamespace()}`;
  const first = await memories.add(text);
  assert.equal(first.namespace, "default");
  assert.equal((await memories.add(text)).id, first.id);
});

test("a memory is corrected, superseded, archived, restored, and its history is kept", async () => {
  const namespace = freshNamespace();
  const { id } = await memories.add({ content: "I live in Lisbon.", namespace });
  const second = await memories.update(id, { content: "I live in Porto." }, { ifMatch: 1 });
  assert.equal(second.version, 2);
  await assert.rejects(memories.update(id, { content: "x" }, { ifMatch: 1 }), VersionMismatch);
  const newer = await memories.supersede(id, "I live in Faro.");
  assert.notEqual(newer.id, id);
  assert.equal((await memories.get(id)).superseded_by, newer.id);
  const versions = await memories.history(id).toArray();
  assert.equal(versions.at(-1)?.content, "I live in Lisbon.");
  await memories.delete(newer.id);
  assert.equal((await memories.get(newer.id)).state, "archived");
  assert.notEqual((await memories.restore(newer.id)).state, "archived");
});

test("erasing is a job, and afterwards the memory is gone", async () => {
  const { id } = await memories.add({ content: "A secret to be erased.", namespace: freshNamespace() });
  const erasing = await memories.erase(id);
  assert.ok(erasing);
  assert.equal((await memories.jobs.wait(erasing.job_id)).status, "succeeded");
  await assert.rejects(memories.get(id), Erased);
});

test("many are added in batches, a bad one among them fails alone", async () => {
  const namespace = freshNamespace();
  const items = Array.from({ length: 1203 }, (_, n) => ({ content: `Fact number ${n}.`, namespace, extract: "none" as const }));
  items[700] = { content: " ", namespace, extract: "none" };
  items[900] = { content: "x".repeat(9_000_000), namespace, extract: "none" };
  const outcomes = await memories.addMany(items);
  assert.deepEqual(outcomes.map((outcome) => outcome.index), items.map((_, n) => n));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.deepEqual(refused.map((outcome) => outcome.index), [700, 900]);
  assert.equal(outcomes.filter((outcome) => outcome.status === "created").length, 1201);

  const listed = await memories.list({ namespace, limit: 500 }).toArray();
  assert.equal(listed.length, 1201);
  assert.equal(new Set(listed.map((memory) => memory.id)).size, 1201);
  assert.equal((await memories.list({ namespace, limit: 7 }).toArray(10)).length, 10);
  const page = await memories.list({ namespace, limit: 5 }).page();
  assert.equal(page.data.length, 5);
  const filtered = memories.query({ namespace, filter: { no_such_field: 1 }, limit: 5 });
  await assert.rejects(filtered.page(), InvalidRequest);
  assert.deepEqual(await memories.addMany([]), []);
});

test("a filter selects, page after page", async () => {
  const namespace = freshNamespace();
  await memories.addMany(Array.from({ length: 25 }, (_, n) => ({ content: `Odd or even: ${n}.`, namespace, metadata: { n } })));
  const found: number[] = [];
  for await (const memory of memories.query({ namespace, filter: { "metadata.n": { gte: 10 } }, limit: 4 })) {
    found.push(memory.metadata["n"] as number);
  }
  assert.deepEqual(found, Array.from({ length: 15 }, (_, n) => 24 - n));
});

test("turns of a conversation are stored word by word, and their job can be followed", async () => {
  const namespace = freshNamespace();
  const stored = await memories.addMessages({
    namespace,
    session_id: "monday",
    messages: [
      { role: "user", name: "Ana", content: "I am allergic to peanuts." },
      { role: "assistant", content: "Noted, no peanuts." },
    ],
  });
  assert.equal(stored.memories.length, 2);
  const seen = [];
  for await (const job of memories.jobs.watch(stored.job_id, { timeoutMs: 60_000 })) seen.push(job);
  assert.equal(seen.at(-1)?.status, "succeeded");
  assert.deepEqual(seen.at(-1)?.progress, { done: 2, total: 2 });
  assert.equal((await memories.jobs.get(stored.job_id)).id, stored.job_id);
  assert.equal((await memories.jobs.list({ namespace }).toArray()).length, 1);
  await assert.rejects(memories.jobs.cancel(stored.job_id), (error: unknown) => error instanceof Conflict && error.code === "job_ended");
});

test("feedback and traces belong to a search", async () => {
  const namespace = freshNamespace();
  const kept = await memories.add({ content: "The heron stands in the river.", namespace });
  const missed = await memories.add({ content: "Tax forms are due in April.", namespace });
  const { search_id } = await memories.search("Where is the heron?", { namespace, top_k: 1 });
  await memories.feedback(search_id, { memory_id: kept.id, useful: true, cited: true });
  assert.equal((await memories.get(kept.id)).retention.recall_count, 1);
  assert.equal((await memories.traces.get(search_id)).query, "Where is the heron?");
  assert.equal((await memories.traces.whyNot(search_id, missed.id)).stage, "below_top_k");
});

test("namespaces are made, changed and listed", async () => {
  const path = `${freshNamespace()}/a b`.replace(" ", "-");
  await memories.namespaces.create({ path, settings: { extract: "none" } });
  await memories.namespaces.update(path, { settings: { fusion: { learn: true } } });
  const space = await memories.namespaces.get(path);
  assert.equal(space.settings.extract, "none");
  assert.equal(space.settings.fusion.learn, true);
  const listed = await memories.namespaces.list({ prefix: path }).toArray();
  assert.deepEqual(listed.map((one) => one.path), [path]);
});

test("a document becomes memories", async () => {
  const namespace = freshNamespace();
  const body = { title: "Manual", content: "# Manual\n\nDrain the boiler once a year.\n", namespace };
  const accepted = await memories.documents.add(body);
  await memories.jobs.wait(accepted.job_id);
  const cut = await memories.documents.memories(accepted.document_id).toArray();
  assert.match(cut.map((memory) => memory.content).join(""), /Drain the boiler/);
  assert.equal((await memories.documents.get(accepted.document_id)).title, "Manual");
  await memories.documents.delete(accepted.document_id);
  assert.deepEqual(await memories.documents.list({ namespace }).toArray(), []);
});

test("every other call is there by method and path", async () => {
  const namespace = freshNamespace();
  const { id } = await memories.add({ content: "I have a brother in Oslo.", namespace, speaker: "Ana" });
  const pinned = await memories.request("post", "/v1/memories/{memory_id}/pin", { path: { memory_id: id } });
  assert.equal(pinned.pinned, true);
  const counted = await memories.request("post", "/v1/memories/archive", { body: { namespace, filter: {}, dry_run: true } });
  assert.equal(counted.matched, 1);
  const users = await memories.request("get", "/v1/users", { query: { namespace } });
  assert.deepEqual(users.data, []);
});

test("refusals have a class, a code and a place", async () => {
  const namespace = freshNamespace();
  await assert.rejects(memories.add({ content: " ", namespace }), (error: unknown) => {
    assert.ok(error instanceof InvalidRequest);
    assert.equal(error.name, "InvalidRequest");
    assert.equal(error.code, "invalid_request");
    assert.equal(error.status, 422);
    assert.equal(error.errors[0]?.pointer, "/content");
    assert.equal(error.retryable, false);
    assert.ok(error.requestId);
    return true;
  });
  await assert.rejects(memories.search("anything", { namespace }), NamespaceNotFound);
  await assert.rejects(memories.get("00000000-0000-7000-8000-000000000000"), NotFound);
  await assert.rejects(memories.get("../healthz"), NotFound);
  await assert.rejects(memories.get(".."), TypeError);
  await assert.rejects(memories.add("x".repeat(70_000)), TooLarge);
  await assert.rejects(memories.add({ content: "half \ud800", namespace }), InvalidRequest);
  await assert.rejects(memories.add({ content: "a\0b", namespace }), InvalidRequest);
  await assert.rejects(memories.add({ content: "x", importance: Number.NaN, namespace }), InvalidRequest);
  await assert.rejects(new MemoryClient({ url, apiKey: "wrong" }).list().toArray(), Unauthenticated);
});

test("without a key nothing is sent", () => {
  const kept = process.env["MEMORY_SERVICE_API_KEY"];
  delete process.env["MEMORY_SERVICE_API_KEY"];
  try {
    assert.throws(() => new MemoryClient({ url }), /no API key/);
    for (const empty of ["", " "]) {
      process.env["MEMORY_SERVICE_API_KEY"] = empty;
      assert.throws(() => new MemoryClient({ url }), /MEMORY_SERVICE_API_KEY is set and empty/);
    }
  } finally {
    process.env["MEMORY_SERVICE_API_KEY"] = kept;
  }
  for (const empty of ["", "  ", "\n"]) {
    assert.throws(() => new MemoryClient({ url, apiKey: empty }), /that is given is empty/);
  }
  assert.equal(new MemoryClient().url, url);
  assert.equal(new MemoryClient({ url: `${url}///`, apiKey }).url, url);
});

test("an address and a key that cannot be sent are refused at once, and not quoted where they are secret", () => {
  for (const wrong of ["127.0.0.1:8000", "localhost:8000", "ftp://127.0.0.1", "", "nowhere"]) {
    assert.throws(() => new MemoryClient({ url: wrong, apiKey }), /no URL of a memory service/);
  }
  for (const told of ["http://ana:secret@127.0.0.1:8000", "ana:secret@127.0.0.1:8000"]) {
    assert.throws(
      () => new MemoryClient({ url: told, apiKey }),
      (error: unknown) => error instanceof MemoryServiceError && !error.message.includes("secret"),
    );
  }
  for (const broken of ["two\nsecret lines", "secret key", "ключ"]) {
    assert.throws(() => new MemoryClient({ url, apiKey: broken }), /that no key has/);
    assert.throws(
      () => new MemoryClient({ url, apiKey: broken }),
      (error: unknown) => error instanceof MemoryServiceError && !error.message.includes("secret"),
    );
  }
  assert.equal(new MemoryClient({ url, apiKey: `${apiKey}\n` }).url, url); // As it is read from a file.
});

test("texts of all languages come back as they were", async () => {
  const content = "naïve 日本語 👩‍👩‍👧 e\u0301 <b>&amp;</b>\ttab\nline";
  const { id } = await memories.add({ content, namespace: freshNamespace(), metadata: { ключ: [1, null, "é"] } });
  const memory = await memories.get(id);
  assert.equal(memory.content, content);
  assert.deepEqual(memory.metadata, { ключ: [1, null, "é"] });
});
