/** Names for what the service takes and answers, as its OpenAPI document has it. */

import type { components, operations, paths } from "./generated/openapi.js";

type Schemas = components["schemas"];

export type Memory = Schemas["Memory"];
export type NewMemory = Schemas["MemoryIn"];
export type MemoryChanges = Schemas["MemoryPatch"];
export type MemoryQuery = Schemas["QueryIn"];
export type BatchOutcome = Schemas["ItemOutcome"];
export type NewMessages = Schemas["MessagesIn"];
export type StoredMessages = Schemas["MessagesOut"];
export type SearchRequest = Schemas["SearchIn"];
export type SearchAnswer = Schemas["SearchOut"];
export type SearchResult = Schemas["ResultOut"];
export type ContextRequest = Schemas["ContextIn"];
export type ContextAnswer = Schemas["ContextOut"];
export type Feedback = Schemas["FeedbackIn"];
export type Trace = Schemas["TraceOut"];
export type WhyNot = Schemas["WhyNotOut"];
export type Job = Schemas["JobOut"];
export type ListedJob = Schemas["ListedJobOut"];

type AtPresent = "created_at" | "updated_at" | "source" | "derivation" | "retention" | "links_count";

/** A state of a memory and when it was known; the OpenAPI document leaves its fields open. */
export type Version = { [K in keyof Memory as K extends AtPresent ? never : K]: Memory[K] } & {
  known_from: string;
  known_to: string | null;
};

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths that know a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, unknown> ? P : never;
}[keyof paths];

export type OperationOf<M extends Method, P extends keyof paths> = paths[P] extends Record<M, infer O> ? O : never;

type Parameters<O, K extends "path" | "query"> = O extends { parameters: infer A }
  ? K extends keyof A
    ? NonNullable<A[K]>
    : never
  : never;

type JsonBody<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : never;
type OptionalJsonBody<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : never;

/** What a call takes: parameters of its path, of its query, and a body, as far as it has them. */
export type PartsOf<O> = ([Parameters<O, "path">] extends [never]
  ? { path?: never }
  : { path: Parameters<O, "path"> }) &
  ([Parameters<O, "query">] extends [never] ? { query?: never } : { query?: Parameters<O, "query"> }) &
  ([JsonBody<O>] extends [never] ? { body?: OptionalJsonBody<O> } : { body: JsonBody<O> });

type Success = 200 | 201 | 202 | 204;
type JsonOf<R> = R extends { content: { "application/json": infer A } } ? A : undefined;

/** What a call answers when it succeeds; undefined stands for no body. */
export type AnswerOf<O> = O extends { responses: infer R } ? JsonOf<R[keyof R & Success]> : never;

/** The query parameters of an operation, without the cursor, which iteration keeps by itself. */
export type QueryOf<N extends keyof operations> = Omit<Parameters<operations[N], "query">, "cursor">;

export type BodyOf<N extends keyof operations> = JsonBody<operations[N]>;
export type Answer<N extends keyof operations> = AnswerOf<operations[N]>;

/** What one item of a list is. */
export type ItemOf<N extends keyof operations> = Answer<N> extends { data: (infer T)[] } ? T : never;
