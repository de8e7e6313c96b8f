/** The parts that know no network. */

import assert from "node:assert/strict";
import { test } from "node:test";

import * as exported from "memory-service-client";

import { batches } from "../dist/client.js";
import { refusal } from "../dist/errors.js";
import { EventParser } from "../dist/events.js";
import { DEFAULT_RETRIES, isKeyed, pauseAfter, retryAfterSeconds } from "../dist/retries.js";
import { fillPath } from "../dist/transport.js";

test("the export list is what the README names", () => {
  assert.deepEqual(Object.keys(exported).sort(), [
    "ApiError", "Conflict", "ConnectionFailed", "Erased", "InvalidRequest", "JobFailed", "MemoryClient",
    "MemoryServiceError", "NamespaceNotFound", "NotFound", "Pages", "PermissionDenied", "RateLimited",
    "RequestTimeout", "TooLarge", "Unauthenticated", "Unavailable", "UnexpectedAnswer", "VersionMismatch",
  ]);
});

test("events are the same however the stream is cut", () => {
  const stream = "retry: 1000\r\n\r\n: a comment\n\nevent: progress\ndata: {\"a\":\ndata: 1}\n\ndata:x\r\revent: finished\ndata: é\n\n";
  const whole = new EventParser().push(stream);
  assert.deepEqual(whole, [
    { event: "progress", data: '{"a":\n1}' },
    { event: "message", data: "x" },
    { event: "finished", data: "é" },
  ]);
  for (let size = 1; size < 8; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
    assert.deepEqual(events, whole, `cut every ${size}`);
  }
});

test("a connection that was never made is told from one that broke", async () => {
  const sentAfter = async (cause: object): Promise<boolean> => {
    const fetch = () => Promise.reject(new TypeError("fetch failed", { cause: Object.assign(new Error("lost"), cause) }));
    const client = new exported.MemoryClient({ url: "http://127.0.0.1:9", apiKey: "key", retries: { attempts: 1 }, fetch });
    const failure: unknown = await client.get("1").catch((error: unknown) => error);
    assert.ok(failure instanceof exported.ConnectionFailed);
    return failure.sent;
  };
  for (const code of ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]) {
    assert.equal(await sentAfter({ code }), false, code);
  }
  // A host or a network may become unreachable while a call is under way: then nobody knows what became of it.
  for (const code of ["EHOSTUNREACH", "ENETUNREACH"]) {
    assert.equal(await sentAfter({ code, syscall: "connect" }), false, code);
    assert.equal(await sentAfter({ code, syscall: "read" }), true, code);
    assert.equal(await sentAfter({ code, syscall: "write" }), true, code);
    assert.equal(await sentAfter({ code }), true, code);
  }
  assert.equal(await sentAfter({ code: "ECONNRESET", syscall: "read" }), true);
});

test("only what is safe is repeated", () => {
  const attempt = { number: 1, status: 503, repeatable: true };
  const pause = (changes: object) => pauseAfter({ ...attempt, ...changes }, DEFAULT_RETRIES, () => 0.5);
  assert.equal(pause({ retryAfter: 2 }), 2200);
  assert.equal(pause({ retryAfter: 31 }), undefined);
  assert.equal(pause({}), 200);
  assert.equal(pause({ number: 3 }), 800);
  assert.equal(pause({ number: 4 }), undefined);
  assert.equal(pause({ status: 0 }), 200);
  assert.equal(pause({ status: 0, repeatable: false }), undefined);
  assert.equal(pause({ status: 0, repeatable: false, sent: false }), 200);
  for (const status of [502, 503, 504]) {
    // A gateway does not know what happened; the service does, but for one code.
    assert.equal(pause({ status, repeatable: false }), undefined);
    assert.equal(pause({ status, repeatable: false, code: "unavailable" }), 200);
    assert.equal(pause({ status }), 200);
  }
  assert.equal(pause({ code: "outcome_unknown", repeatable: false }), undefined);
  assert.equal(pause({ code: "outcome_unknown" }), 200);
  assert.equal(pause({ status: 500 }), undefined);
  assert.equal(pause({ status: 409, code: "archived" }), undefined);
  assert.equal(pause({ status: 409, code: "idempotency_in_progress" }), 200);
  assert.equal(pause({ number: 4, status: 409, code: "idempotency_in_progress", retryAfter: 1 }), 2600);
  assert.equal(pauseAfter({ ...attempt, number: 30 }, { ...DEFAULT_RETRIES, attempts: 99 }, () => 0.5), 8_000);
  assert.equal(pause({ number: 4, status: 503, retryAfter: 1 }), undefined);
});

test("a key goes with the calls whose answers are kept under it", () => {
  for (const call of ["POST /v1/memories", "PATCH /v1/memories/1", "PATCH /v1/tasks/1", "PUT /v1/blocks/a%2Fb", "PATCH /v1/blocks/a"]) {
    assert.ok(isKeyed(...(call.split(" ") as [string, string])), call);
  }
  for (const call of ["GET /v1/memories", "DELETE /v1/memories/1", "PATCH /v1/namespaces/a", "PUT /v1/policies/fusion"]) {
    assert.ok(!isKeyed(...(call.split(" ") as [string, string])), call);
  }
});

test("Retry-After is seconds or a date", () => {
  const now = new Date("2026-11-26T12:00:00Z");
  assert.equal(retryAfterSeconds("1.5", now), 1.5);
  assert.equal(retryAfterSeconds("-3", now), 0);
  assert.equal(retryAfterSeconds("Thu, 26 Nov 2026 12:00:10 GMT", now), 10);
  assert.equal(retryAfterSeconds("soon", now), undefined);
  assert.equal(retryAfterSeconds("", now), undefined);
  assert.equal(retryAfterSeconds(null, now), undefined);
});

test("a refusal has the class of its code, else of its status", () => {
  assert.equal(refusal(404, { code: "namespace_not_found" }).name, "NamespaceNotFound");
  assert.equal(refusal(404, { code: "memory_not_found" }).name, "NotFound");
  assert.equal(refusal(418, {}).name, "ApiError");
  assert.equal(refusal(418, { detail: "why" }).message, "why");
});

test("whatever a parameter holds stays one segment", () => {
  assert.equal(fillPath("/v1/namespaces/{path}", { path: "users/4 ?#%" }), "/v1/namespaces/users%2F4%20%3F%23%25");
  assert.throws(() => fillPath("/v1/memories/{memory_id}", {}), TypeError);
  assert.throws(() => fillPath("/v1/memories/{memory_id}", { memory_id: ".." }), TypeError);
});

test("batches keep order and size", () => {
  const cut = [...batches(Array.from({ length: 1201 }, (_, n) => `text ${n}`))];
  assert.deepEqual(cut.map((batch) => batch.length), [500, 500, 201]);
  assert.deepEqual(cut.flat().map((item) => item.content), Array.from({ length: 1201 }, (_, n) => `text ${n}`));
  assert.deepEqual([...batches(["x".repeat(499_000), "y".repeat(10_000), "z"])].map((batch) => batch.length), [1, 2]);
});
