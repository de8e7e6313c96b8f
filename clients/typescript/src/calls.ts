/** Every operation of the service by method and path, typed by its OpenAPI document. */

import type { paths } from "./generated/openapi.js";
import { Pages, type Page } from "./pages.js";
import { type CallOptions, fillPath, type Query, type Transport } from "./transport.js";
import type { AnswerOf, Method, OperationOf, PartsOf, PathOf } from "./types.js";

type AnyParts = { path?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown };
type Item<A> = A extends { data: (infer T)[] } ? T : never;

export class Calls {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Make one call and return what it answers, undefined when that is nothing. */
  async request<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    parts: PartsOf<OperationOf<M, P>>,
    options: CallOptions = {},
  ): Promise<AnswerOf<OperationOf<M, P>>> {
    return (await this.#send(method, path, parts as AnyParts, options)) as AnswerOf<OperationOf<M, P>>;
  }

  /** Return a list that turns its pages itself. */
  pages<P extends PathOf<"get"> & keyof paths>(
    path: P,
    parts: PartsOf<OperationOf<"get", P>>,
    options: CallOptions = {},
  ): Pages<Item<AnswerOf<OperationOf<"get", P>>>> {
    const { query, ...rest } = parts as AnyParts;
    return new Pages(async (cursor) => {
      const page = await this.#send("get", path, { ...rest, query: { ...query, cursor } }, options);
      return page as Page<Item<AnswerOf<OperationOf<"get", P>>>>;
    });
  }

  async #send(method: Method, template: string, parts: AnyParts, options: CallOptions): Promise<unknown> {
    const path = fillPath(template, parts.path);
    const query = parts.query as Query | undefined;
    const received = await this.#transport.send({
      ...options,
      method: method.toUpperCase(),
      path,
      query,
      body: parts.body,
    });
    return received.value;
  }
}
