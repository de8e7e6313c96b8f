import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ConnectionFailed,
  MemoryClient,
  RateLimited,
  RequestTimeout,
  Unavailable,
  UnexpectedAnswer,
} from "memory-service-client";

import { apiKey, client, freshNamespace, proxy, type Fault } from "./service.js";

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
  await through(refusing(503, 9, { "Retry-After": "20" }), async (faulty) => {
    await assert.rejects(faulty.list({}, { timeoutMs: 100 }).page(), RequestTimeout);
  });
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
    if (!request.url?.endsWith("/events") || broken++ >= 2) return false;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("retry: 1000\n\n");
    setTimeout(() => response.destroy(), 20);
    return true;
  };
  await through(breaking, async (faulty) => {
    const { job_id } = await faulty.addMessages({ namespace: freshNamespace(), messages: [{ content: "Follow me." }] });
    assert.equal((await faulty.jobs.wait(job_id)).status, "succeeded");
    assert.equal(broken, 3);
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
