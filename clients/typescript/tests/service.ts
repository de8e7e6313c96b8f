/** The running service that the tests speak to, and a way to make its connection bad. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { MemoryClient } from "memory-service-client";

export const url = required("MEMORY_SERVICE_URL");
export const apiKey = required("MEMORY_SERVICE_API_KEY");

export function client(): MemoryClient {
  return new MemoryClient({ url, apiKey });
}

/** Return the path of a namespace that nobody else uses. */
export function freshNamespace(): string {
  return `tests/${randomBytes(6).toString("hex")}`;
}

function required(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set; run the tests with pytest, which starts a service`);
  return value;
}

/** What becomes of one request on its way: undefined lets it and its answer through. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  forward: () => Promise<Response>,
) => Promise<boolean> | boolean;

export interface Proxy {
  url: string;
  /** Requests in the order in which they came, with their idempotency key. */
  seen: { method: string; path: string; key: string | undefined }[];
  close(): Promise<void>;
}

/** Stand between client and service; `fault` answers true when it has dealt with the request itself. */
export async function proxy(fault: Fault): Promise<Proxy> {
  const seen: Proxy["seen"] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { method = "", url: path = "", headers } = request;
      const key = headers["idempotency-key"] as string | undefined;
      seen.push({ method, path, key });
      const forward = () => {
        const passed: Record<string, string> = {};
        for (const name of ["authorization", "content-type", "idempotency-key", "if-match"]) {
          if (headers[name]) passed[name] = headers[name] as string;
        }
        const body = chunks.length ? { body: Buffer.concat(chunks) } : {};
        return fetch(url + path, { method, headers: passed, ...body });
      };
      if (await fault(request, response, forward)) return;
      const answer = await forward();
      response.statusCode = answer.status;
      for (const [name, value] of answer.headers) {
        if (!/^(transfer-encoding|content-length|connection|keep-alive)$/.test(name)) response.setHeader(name, value);
      }
      response.end(Buffer.from(await answer.arrayBuffer()));
    })().catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
