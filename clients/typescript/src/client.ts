/** The client: remember, recall, correct, forget. */

import { Calls } from "./calls.js";
import { TooLarge } from "./errors.js";
import { Jobs } from "./jobs.js";
import { type Page, Pages } from "./pages.js";
import { Documents, Namespaces, Traces } from "./resources.js";
import { type CallOptions, type ClientOptions, Transport } from "./transport.js";
import type {
  AnswerOf,
  BatchOutcome,
  ContextAnswer,
  ContextRequest,
  Feedback,
  Memory,
  MemoryChanges,
  MemoryQuery,
  Method,
  NewMemory,
  NewMessages,
  OperationOf,
  PartsOf,
  PathOf,
  QueryOf,
  SearchAnswer,
  SearchRequest,
  StoredMessages,
  Version,
} from "./types.js";

/** One call holds at most 1,000 items, 2 MiB of content and 8 MiB of JSON; this many characters fit in any script. */
const BATCH_ITEMS = 500;
const BATCH_CHARACTERS = 500_000;

export class MemoryClient {
  readonly jobs: Jobs;
  readonly namespaces: Namespaces;
  readonly documents: Documents;
  readonly traces: Traces;
  readonly url: string;
  readonly #calls: Calls;

  constructor(options: ClientOptions = {}) {
    const transport = new Transport(options);
    this.url = transport.url;
    this.#calls = new Calls(transport);
    this.jobs = new Jobs(transport);
    this.namespaces = new Namespaces(this.#calls);
    this.documents = new Documents(this.#calls);
    this.traces = new Traces(this.#calls);
  }

  /** Remember one text; it is durable and findable when this returns. */
  add(memory: string | NewMemory, options: CallOptions = {}): Promise<Memory> {
    return this.#calls.request("post", "/v1/memories", { body: asMemory(memory) }, options);
  }

  /** Remember many, in as many calls as it takes; a bad one is `rejected` and never fails its neighbours. */
  async addMany(
    memories: Iterable<string | NewMemory>,
    options: Omit<CallOptions, "idempotencyKey"> = {},
  ): Promise<BatchOutcome[]> {
    const outcomes: BatchOutcome[] = [];
    for (const items of batches(memories)) {
      const before = outcomes.length;
      const results = await this.#addBatch(items, options);
      outcomes.push(...results.map((outcome) => ({ ...outcome, index: before + outcome.index })));
    }
    return outcomes;
  }

  async #addBatch(items: NewMemory[], options: CallOptions): Promise<BatchOutcome[]> {
    try {
      return (await this.#calls.request("post", "/v1/memories/batch", { body: { items } }, options)).results;
    } catch (error) {
      // An item that no call can hold comes alone, and is refused like any other bad one.
      if (!(error instanceof TooLarge) || items.length > 1) throw error;
      return [{ index: 0, status: "rejected", id: null, problem: error.problem }];
    }
  }

  /** Remember turns of a conversation word by word; `jobs.wait(job_id)` returns when they are enriched. */
  addMessages(body: NewMessages, options: CallOptions = {}): Promise<StoredMessages> {
    return this.#calls.request("post", "/v1/messages", { body }, options);
  }

  search(
    query: string | SearchRequest,
    request: Omit<SearchRequest, "query"> = {},
    options: CallOptions = {},
  ): Promise<SearchAnswer> {
    return this.#calls.request("post", "/v1/search", { body: asked(query, request) }, options);
  }

  /** Return memories packed for a prompt, never over `token_budget`. */
  context(
    query: string | ContextRequest,
    request: Omit<ContextRequest, "query"> = {},
    options: CallOptions = {},
  ): Promise<ContextAnswer> {
    return this.#calls.request("post", "/v1/context", { body: asked(query, request) }, options);
  }

  get(memory_id: string, query: QueryOf<"get_memory"> = {}, options: CallOptions = {}): Promise<Memory> {
    return this.#calls.request("get", "/v1/memories/{memory_id}", { path: { memory_id }, query }, options);
  }

  /** Iterate memories, newest first. */
  list(query: QueryOf<"list_memories"> = {}, options: CallOptions = {}): Pages<Memory> {
    return this.#calls.pages("/v1/memories", { query }, options);
  }

  /** Iterate memories that a filter selects, newest first. */
  query(query: Omit<MemoryQuery, "cursor">, options: CallOptions = {}): Pages<Memory> {
    return new Pages((cursor) => {
      const body = cursor === undefined ? query : { ...query, cursor };
      return this.#calls.request("post", "/v1/memories/query", { body }, options);
    });
  }

  /** Change fields as a new version of the same memory. */
  update(memory_id: string, body: MemoryChanges, options: CallOptions = {}): Promise<Memory> {
    return this.#calls.request("patch", "/v1/memories/{memory_id}", { path: { memory_id }, body }, options);
  }

  /** Put a new memory in the place of an old one, whose validity ends; returns the new one. */
  supersede(memory_id: string, memory: string | NewMemory, options: CallOptions = {}): Promise<Memory> {
    const parts = { path: { memory_id }, body: asMemory(memory) };
    return this.#calls.request("post", "/v1/memories/{memory_id}/supersede", parts, options);
  }

  /** Archive a memory; `restore` brings it back. */
  async delete(memory_id: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.request("delete", "/v1/memories/{memory_id}", { path: { memory_id } }, options);
  }

  /** Remove a memory for good, as a job; undefined says that an attempt whose answer was lost has removed it. */
  async erase(memory_id: string, options: CallOptions = {}): Promise<{ job_id: string } | undefined> {
    const parts = { path: { memory_id }, query: { erase: true } };
    const answer: unknown = await this.#calls.request("delete", "/v1/memories/{memory_id}", parts, options);
    return answer as { job_id: string } | undefined;
  }

  restore(memory_id: string, options: CallOptions = {}): Promise<Memory> {
    return this.#calls.request("post", "/v1/memories/{memory_id}/restore", { path: { memory_id } }, options);
  }

  /** Iterate the versions of a memory, newest first. */
  history(memory_id: string, options: CallOptions = {}): Pages<Version> {
    return new Pages(async (cursor) => {
      const parts = { path: { memory_id }, query: { cursor } };
      const page: unknown = await this.#calls.request("get", "/v1/memories/{memory_id}/versions", parts, options);
      return page as Page<Version>;
    });
  }

  /** Say whether a found memory was of use; that reinforces it or lets it lapse. */
  feedback(search_id: string, body: Feedback, options: CallOptions = {}): Promise<void> {
    return this.traces.feedback(search_id, body, options);
  }

  /** Make any call of the service by method and path; parameters, body and answer are typed. */
  request<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    parts: PartsOf<OperationOf<M, P>>,
    options: CallOptions = {},
  ): Promise<AnswerOf<OperationOf<M, P>>> {
    return this.#calls.request(method, path, parts, options);
  }
}

function asMemory(memory: string | NewMemory): NewMemory {
  return typeof memory === "string" ? { content: memory } : memory;
}

function asked<R extends { query: string }>(query: string | R, request: Omit<R, "query">): R {
  return (typeof query === "string" ? { ...request, query } : { ...query, ...request }) as R;
}

/** Cut memories into batches that one call may hold. */
export function* batches(memories: Iterable<string | NewMemory>): Generator<NewMemory[]> {
  let batch: NewMemory[] = [];
  let size = 0;
  for (const memory of memories) {
    const item = asMemory(memory);
    const length = JSON.stringify(item).length;
    if (batch.length && (batch.length === BATCH_ITEMS || size + length > BATCH_CHARACTERS)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(item);
    size += length;
  }
  if (batch.length) yield batch;
}
