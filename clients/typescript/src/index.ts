export { MemoryClient } from "./client.js";
export {
  ApiError,
  Conflict,
  ConnectionFailed,
  Erased,
  type FieldProblem,
  InvalidRequest,
  JobFailed,
  MemoryServiceError,
  NamespaceNotFound,
  NotFound,
  PermissionDenied,
  type Problem,
  RateLimited,
  RequestTimeout,
  TooLarge,
  Unauthenticated,
  Unavailable,
  UnexpectedAnswer,
  VersionMismatch,
} from "./errors.js";
export type { components, operations, paths } from "./generated/openapi.js";
export type { WatchOptions } from "./jobs.js";
export { type Page, Pages } from "./pages.js";
export type { RetryPolicy } from "./retries.js";
export type { CallOptions, ClientOptions, Fetch } from "./transport.js";
export type * from "./types.js";
