/** What belongs together below the client: namespaces, documents, traces. */

import type { Pages } from "./pages.js";
import type { Calls } from "./calls.js";
import type { CallOptions } from "./transport.js";
import type { Answer, BodyOf, Feedback, ItemOf, Memory, QueryOf, Trace, WhyNot } from "./types.js";

export class Namespaces {
  constructor(private readonly calls: Calls) {}

  /** Iterate namespaces in order of their path. */
  list(query: QueryOf<"list_namespaces"> = {}, options: CallOptions = {}): Pages<ItemOf<"list_namespaces">> {
    return this.calls.pages("/v1/namespaces", { query }, options);
  }

  get(path: string, options: CallOptions = {}): Promise<Answer<"get_namespace">> {
    return this.calls.request("get", "/v1/namespaces/{path}", { path: { path } }, options);
  }

  /** Make a namespace with settings; a write makes one too. */
  create(body: BodyOf<"create_namespace">, options: CallOptions = {}): Promise<Answer<"create_namespace">> {
    return this.calls.request("post", "/v1/namespaces", { body }, options);
  }

  update(
    path: string,
    body: BodyOf<"change_namespace">,
    options: CallOptions = {},
  ): Promise<Answer<"change_namespace">> {
    return this.calls.request("patch", "/v1/namespaces/{path}", { path: { path }, body }, options);
  }
}

export class Documents {
  constructor(private readonly calls: Calls) {}

  /** Have a document cut into memories; `client.jobs.wait(job_id)` returns when that is done. */
  add(body: BodyOf<"create_document">, options: CallOptions = {}): Promise<Answer<"create_document">> {
    return this.calls.request("post", "/v1/documents", { body }, options);
  }

  list(query: QueryOf<"list_documents"> = {}, options: CallOptions = {}): Pages<ItemOf<"list_documents">> {
    return this.calls.pages("/v1/documents", { query }, options);
  }

  get(
    document_id: string,
    query: QueryOf<"get_document"> = {},
    options: CallOptions = {},
  ): Promise<Answer<"get_document">> {
    return this.calls.request("get", "/v1/documents/{document_id}", { path: { document_id }, query }, options);
  }

  /** Iterate the live memories that a document was cut into. */
  memories(document_id: string, options: CallOptions = {}): Pages<Memory> {
    return this.calls.pages("/v1/documents/{document_id}/memories", { path: { document_id } }, options);
  }

  /** Archive a document with its memories. */
  async delete(document_id: string, options: CallOptions = {}): Promise<void> {
    await this.calls.request("delete", "/v1/documents/{document_id}", { path: { document_id } }, options);
  }
}

export class Traces {
  constructor(private readonly calls: Calls) {}

  /** Return what a search asked, found and nearly found. */
  get(search_id: string, query: QueryOf<"get_trace"> = {}, options: CallOptions = {}): Promise<Trace> {
    return this.calls.request("get", "/v1/traces/{search_id}", { path: { search_id }, query }, options);
  }

  /** Return where a memory fell out of a search, and why. */
  whyNot(search_id: string, memory_id: string, options: CallOptions = {}): Promise<WhyNot> {
    const parts = { path: { search_id }, body: { memory_id } };
    return this.calls.request("post", "/v1/traces/{search_id}/why-not", parts, options);
  }

  /** Say whether a found memory was of use; that reinforces it or lets it lapse. */
  async feedback(search_id: string, body: Feedback, options: CallOptions = {}): Promise<void> {
    await this.calls.request("post", "/v1/traces/{search_id}/feedback", { path: { search_id }, body }, options);
  }
}
