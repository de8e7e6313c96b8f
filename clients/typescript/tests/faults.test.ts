import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";

import {
  ConnectionFailed,
  Erased,
  MemoryClient,
  NotFound,
  RateLimited,
  RequestTimeout,
  Unavailable,
  UnexpectedAnswer,
  VersionMismatch,
} from "memory-service-client";

import { apiKey, client, freshNamespace, proxy, type Fault, url } from "./service.js";

/** Run `body` with a client whose requests pass through a fault. */
async function through(
  fault: Fault,
  body: (faulty: MemoryClient, seen: Awaited<ReturnType<typeof proxy>>["seen"]) => Promise<void>,
  options: { timeoutMs?: number } = {},
): Promise<void> {
  const between = await proxy(fault);
  try {
    await body(new MemoryClient({ url: between.url, apiKey, ...options }), between.seen);
  } finally {
    await between.close();
  }
}

/** Have the service do what is asked `times` times, and let the client hear something else. */
function unheard(instead: (request: IncomingMessage, response: ServerResponse) => void, times = 1): Fault {
  return async (request, response, forward) => {
    if (times-- <= 0) return false;
    await forward();
    instead(request, response);
    return true;
  };
}

function gatewaySays(status: number) {
  return (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, { "Content-Type": "text/html" });
    response.end("<html>no</html>");
  };
}

/** After each of these nobody can say whether the call was carried out. */
const UNKNOWN: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  "a lost answer": (request) => void request.socket.destroy(),
  "an answer that is cut off": (request, response) => {
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "1000" });
    response.write("{", () => request.socket.destroy());
  },
  "503 outcome_unknown": (_, response) => {
    response.writeHead(503, { "Content-Type": "application/problem+json", "Retry-After": "0" });
    response.end(JSON.stringify({ title: "lost", code: "outcome_unknown", retryable: true }));
  },
  "503 of a gateway": gatewaySays(503),
  "502": gatewaySays(502),
  "504": gatewaySays(504),
};

/** Answer the first `times` requests with a problem. */
function refusing(status: number, times: number, headers: Record<string, string>): Fault {
  return (_, response) => {
    if (times-- <= 0) return false;
    response.writeHead(status, { "Content-Type": "application/problem+json", ...headers });
    response.end(JSON.stringify({ title: "no", detail: "not now", code: "not_now", retryable: true }));
    return true;
  };
}

test("an answer that is lost is asked for again with the same key, and one memory is stored", async () => {
  const namespace = freshNamespace();
  let lose = 2;
  const losing: Fault = async (request, _, forward) => {
    if (request.method !== "POST" || lose-- <= 0) return false;
    await forward(); // The service has done it; the client does not hear of it.
    request.socket.destroy();
    return true;
  };
  await through(losing, async (faulty, seen) => {
    // Without duplicates being recognised, only the key keeps this from being stored three times.
    const stored = await faulty.addMessages({ namespace, messages: [{ content: "I said this once." }] });
    assert.equal(stored.memories.length, 1);
    assert.equal(seen.length, 3);
    assert.ok(seen[0]?.key);
    assert.equal(new Set(seen.map((request) => request.key)).size, 1);
  });
  assert.equal((await client().list({ namespace }).toArray()).length, 1);
});

for (const [what, instead] of Object.entries(UNKNOWN)) {
  test(`after ${what} a change is made again under its key only`, async () => {
    const namespace = freshNamespace();
    const sure = client();
    await through(unheard(instead, 2), async (faulty, seen) => {
      const { memories } = await faulty.addMessages({ namespace, messages: [{ content: "I said this once." }] });
      assert.equal(seen.length, 3);
      assert.equal(new Set(seen.map((request) => request.key)).size, 1);
      assert.deepEqual((await sure.list({ namespace }).toArray()).map((memory) => memory.id), memories);
    });
    const { id } = await sure.add({ content: "Rosa lives in Turin.", namespace });
    await through(unheard(instead), async (faulty) => {
      assert.equal((await faulty.update(id, { content: "Rosa lives in Genoa." }, { ifMatch: 1 })).version, 2);
    });
    await through(unheard(instead), async (faulty) => {
      const parts = { path: { label: "persona" }, body: { namespace, value: "Calm." } };
      await sure.request("put", "/v1/blocks/{label}", parts);
      const kinder = { ...parts, body: { namespace, value: "Kind." } };
      const block = await faulty.request("put", "/v1/blocks/{label}", kinder, { ifMatch: 1 });
      assert.equal(block.version, 2);
    });
    // The service keeps no key of these: the second attempt would stumble over the first.
    await through(unheard(instead), async (faulty, seen) => {
      const parts = { query: { namespace }, body: { preset: "thorough" as const } };
      await sure.request("put", "/v1/policies/fusion", parts);
      const again = faulty.request("put", "/v1/policies/fusion", { ...parts, body: { preset: "fast" } }, { ifMatch: 1 });
      await assert.rejects(again, (error) => !(error instanceof VersionMismatch));
      assert.equal(seen.length, 1);
    });
    await through(unheard(instead), async (faulty, seen) => {
      await assert.rejects(faulty.delete(id, { ifMatch: 2 }), (error) => !(error instanceof VersionMismatch));
      assert.equal(seen.length, 1);
    });
    // What was not bound to a version may be done twice.
    await through(unheard(instead), async (faulty, seen) => {
      await faulty.namespaces.update(namespace, { settings: { extract: "none" } });
      assert.equal(seen.length, 2);
    });
  });

  test(`after ${what} what is gone was removed`, async () => {
    const sure = client();
    const namespace = freshNamespace();
    const { id } = await sure.add({ content: "A secret to be erased.", namespace });
    const lost = unheard(instead);
    const erased: Fault = (request, response, forward) =>
      lost(request, response, async () => {
        const answer = await forward();
        await sure.jobs.wait(((await answer.clone().json()) as { job_id: string }).job_id);
        return answer;
      });
    await through(erased, async (faulty, seen) => {
      assert.equal(await faulty.erase(id), undefined);
      assert.equal(seen.length, 2);
      await assert.rejects(faulty.erase(id), Erased); // Nothing was lost this time.
    });
    await assert.rejects(sure.get(id), Erased);
    const other = await sure.add({ content: "A dog.", namespace });
    const saved = await sure.request("post", "/v1/saved-queries", { body: { query: "dogs", relevant: [other.id], namespace } });
    const parts = { path: { query_id: saved.id } };
    await through(unheard(instead), async (faulty, seen) => {
      await faulty.request("delete", "/v1/saved-queries/{query_id}", parts);
      assert.equal(seen.length, 2);
      await assert.rejects(faulty.request("delete", "/v1/saved-queries/{query_id}", parts), NotFound);
    });
  });
}

test("what was certainly not carried out is made again, and its refusal is one", async () => {
  const { id } = await client().add({ content: "Rosa has a dog.", namespace: freshNamespace() });
  await through(refusing(503, 1, { "Retry-After": "0" }), async (faulty, seen) => {
    await assert.rejects(faulty.request("delete", "/v1/links/{link_id}", { path: { link_id: id } }), NotFound);
    assert.equal(seen.length, 2);
  });
  await through(refusing(503, 1, { "Retry-After": "0" }), async (faulty, seen) => {
    await faulty.delete(id, { ifMatch: 1 });
    assert.equal(seen.length, 2);
  });
  // The service is started while the client asks: no attempt before that has removed anything.
  const nobody = await proxy(() => false);
  await nobody.close();
  let asked = 0;
  const starting = (input: string, init: RequestInit) => fetch(asked++ ? input : nobody.url, init);
  const early = new MemoryClient({ url, apiKey, fetch: starting });
  await assert.rejects(early.delete("00000000-0000-7000-8000-000000000000"), NotFound);
  assert.equal(asked, 2);
});

test("429 and 503 are waited out as long as the service says", async () => {
  for (const status of [429, 503]) {
    await through(refusing(status, 2, { "Retry-After": "1" }), async (faulty, seen) => {
      const began = performance.now();
      await faulty.namespaces.get("default");
      assert.ok(performance.now() - began > 1_900);
      assert.equal(seen.length, 3);
    });
  }
});

test("a wait that is too long, or in vain, is an error that says so", async () => {
  await through(refusing(429, 9, { "Retry-After": "3600" }), async (faulty, seen) => {
    await assert.rejects(faulty.list().page(), (error: unknown) => {
      assert.ok(error instanceof RateLimited);
      assert.equal(error.retryAfter, 3600);
      return true;
    });
    assert.equal(seen.length, 1);
  });
  await through(refusing(503, 9, { "Retry-After": "0" }), async (faulty, seen) => {
    await assert.rejects(faulty.list().page(), Unavailable);
    assert.equal(seen.length, 4);
  });
});

test("a call ends when its time is up, whatever it waits for", async () => {
  const hanging: Fault = () => true;
  await through(hanging, async (faulty) => {
    await assert.rejects(faulty.list().page(), RequestTimeout);
    await assert.rejects(faulty.add("x", { timeoutMs: 50 }), RequestTimeout);
  }, { timeoutMs: 100 });
  // There is no use in waiting for what comes too late: the refusal says more.
  await through(refusing(503, 9, { "Retry-After": "20" }), async (faulty, seen) => {
    await assert.rejects(faulty.list({}, { timeoutMs: 1_000 }).page(), Unavailable);
    assert.equal(seen.length, 1);
  });
});

test("any time limit holds for as long as it says", async () => {
  for (const timeoutMs of [2 ** 31, 1e12, Infinity]) {
    await client().namespaces.get("default", { timeoutMs });
  }
});

test("a caller's signal ends a call with its own reason", async () => {
  const hanging: Fault = () => true;
  await through(hanging, async (faulty) => {
    const reason = new Error("no longer wanted");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(faulty.search("x", {}, { signal: controller.signal }), reason);
    await assert.rejects(faulty.search("x", {}, { signal: controller.signal }), reason);
  });
});

test("a caller's signal ends a refusal that does not end", async () => {
  const dribbling: Fault = (_, response) => {
    response.writeHead(500, { "Content-Type": "application/problem+json" });
    response.write("{");
    return true;
  };
  await through(dribbling, async (faulty) => {
    const reason = new Error("no longer wanted");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 100);
    await assert.rejects(faulty.search("x", {}, { signal: controller.signal }), reason);
    await assert.rejects(faulty.list({}, { timeoutMs: 100 }).page(), RequestTimeout);
  });
});

test("an address that has moved is no answer: a POST that is sent on becomes a GET and stores nothing", async () => {
  const moved: Fault = (request, response) => {
    if (request.url?.startsWith("/new/")) return false;
    response.writeHead(301, { Location: `${url}${request.url}` });
    response.end();
    return true;
  };
  await through(moved, async (faulty, seen) => {
    await assert.rejects(faulty.add("Where does this go?"), (error: unknown) => {
      assert.ok(error instanceof UnexpectedAnswer);
      assert.match(error.message, /redirect/);
      return true;
    });
    assert.equal(seen.length, 1);
  });
});

test("an idempotency key that no header can hold is refused and not sent", async () => {
  for (const idempotencyKey of ["ключ", "two\nlines", "", "x".repeat(256)]) {
    await through(() => false, async (faulty, seen) => {
      await assert.rejects(faulty.add("x", { idempotencyKey }), TypeError);
      assert.equal(seen.length, 0);
    });
  }
});

test("no service is an error of its own", async () => {
  const nobody = new MemoryClient({ url: "http://127.0.0.1:9", apiKey, retries: { attempts: 2 } });
  await assert.rejects(nobody.list().page(), ConnectionFailed);
});

test("something else that answers is told from the service", async () => {
  const other: Fault = (_, response) => {
    response.end("<html>welcome</html>");
    return true;
  };
  await through(other, async (faulty) => {
    await assert.rejects(faulty.list().page(), UnexpectedAnswer);
  });
  const gateway: Fault = (_, response) => {
    response.writeHead(500);
    response.end("<html>oops</html>");
    return true;
  };
  await through(gateway, async (faulty, seen) => {
    await assert.rejects(faulty.list().page(), { name: "ApiError", status: 500, code: "" });
    assert.equal(seen.length, 1);
  });
});

test("a stream of events that breaks is taken up again", async () => {
  let broken = 0;
  const breaking: Fault = async (request, response) => {
    if (!request.url?.endsWith("/events") || broken++ >= 4) return false;
    if (broken > 2) {
      gatewaySays(broken === 3 ? 502 : 504)(request, response);
      return true;
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("retry: 1000\n\n");
    setTimeout(() => response.destroy(), 20);
    return true;
  };
  await through(breaking, async (faulty) => {
    const { job_id } = await faulty.addMessages({ namespace: freshNamespace(), messages: [{ content: "Follow me." }] });
    assert.equal((await faulty.jobs.wait(job_id)).status, "succeeded");
    assert.equal(broken, 5);
  });
});

test("waiting for a job ends in time", async () => {
  const silent: Fault = (request, response) => {
    if (!request.url?.endsWith("/events")) return false;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(": nothing yet\n\n");
    return true;
  };
  await through(silent, async (faulty) => {
    const { job_id } = await faulty.addMessages({ namespace: freshNamespace(), messages: [{ content: "Wait for me." }] });
    await assert.rejects(faulty.jobs.wait(job_id, { timeoutMs: 200 }), RequestTimeout);
  });
});
