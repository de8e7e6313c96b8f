/** Work in the background: look, wait, follow, cancel, retry. */

import { Deadline } from "./deadline.js";
import { ConnectionFailed, JobFailed, RateLimited, Unavailable, UnexpectedAnswer } from "./errors.js";
import { readEvents } from "./events.js";
import { Pages, type Page } from "./pages.js";
import { type CallOptions, fillPath, type Query, type Transport } from "./transport.js";
import type { Job, ListedJob, QueryOf } from "./types.js";

const ENDED = new Set<Job["status"]>(["succeeded", "failed", "cancelled"]);
const PAUSE_MS = 1_000;
/** Connections in a row that may break without news before a watch gives up. */
const BREAKS = 5;

export interface WatchOptions {
  signal?: AbortSignal | undefined;
  /** How long the job may take; for `wait` 120,000 unless given, for `watch` as long as it takes. */
  timeoutMs?: number | undefined;
}

export class Jobs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Iterate jobs, newest first, without the outcomes of their items. */
  list(query: QueryOf<"list_jobs"> = {}, options: CallOptions = {}): Pages<ListedJob> {
    return new Pages(async (cursor) => {
      const asked = { ...query, cursor } as Query;
      const answer = await this.#transport.send({ ...options, method: "GET", path: "/v1/jobs", query: asked });
      return answer.value as Page<ListedJob>;
    });
  }

  async get(id: string, options: CallOptions = {}): Promise<Job> {
    return this.#one("GET", "/v1/jobs/{id}", id, options);
  }

  async cancel(id: string, options: CallOptions = {}): Promise<Job> {
    return this.#one("POST", "/v1/jobs/{id}/cancel", id, options);
  }

  async retry(id: string, options: CallOptions = {}): Promise<Job> {
    return this.#one("POST", "/v1/jobs/{id}/retry", id, options);
  }

  /** Return the job once it has succeeded; throw JobFailed when it does not, RequestTimeout when it takes too long. */
  async wait(id: string, { signal, timeoutMs = 120_000 }: WatchOptions = {}): Promise<Job> {
    for await (const job of this.watch(id, { signal, timeoutMs })) {
      if (job.status === "succeeded") return job;
      if (ENDED.has(job.status)) throw new JobFailed(job);
    }
    throw new UnexpectedAnswer(`the job ${id} is not there any more`);
  }

  /** Yield the job at every change until it has ended; connects again when the stream ends before that. */
  async *watch(id: string, { signal, timeoutMs }: WatchOptions = {}): AsyncGenerator<Job> {
    const path = fillPath("/v1/jobs/{id}/events", { id });
    const deadline = new Deadline(`the job ${id}`, timeoutMs, signal);
    let last: string | undefined;
    let breaks = 0;
    try {
      for (;;) {
        try {
          for await (const event of readEvents(await this.#transport.open(path, deadline.signal))) {
            if (event.data === last) continue; // Told again after a new connection.
            last = event.data;
            breaks = 0;
            const job = JSON.parse(event.data) as Job;
            yield job;
            if (ENDED.has(job.status)) return;
          }
        } catch (error) {
          deadline.signal.throwIfAborted();
          if (!isBreak(error) || ++breaks > BREAKS) throw error;
        }
        await deadline.sleep(PAUSE_MS);
      }
    } finally {
      deadline.close();
    }
  }

  async #one(method: string, template: string, id: string, options: CallOptions): Promise<Job> {
    return (await this.#transport.send({ ...options, method, path: fillPath(template, { id }) })).value as Job;
  }
}

/** Say whether it helps to connect again: a stream that breaks off throws a TypeError. */
function isBreak(error: unknown): boolean {
  return [ConnectionFailed, Unavailable, RateLimited, TypeError].some((kind) => error instanceof kind);
}
