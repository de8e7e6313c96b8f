/**
 * What goes wrong, by class.
 *
 * MemoryServiceError
 * ├── ConnectionFailed    no answer came; the call may have been carried out if it was sent
 * ├── RequestTimeout      it took longer than was allowed
 * ├── UnexpectedAnswer    something else than the service answered
 * ├── JobFailed           work in the background failed or was cancelled
 * └── ApiError            the service refused: status, code, detail
 *     ├── Unauthenticated, PermissionDenied
 *     ├── NotFound ── NamespaceNotFound
 *     ├── Erased, Conflict, VersionMismatch
 *     ├── TooLarge, InvalidRequest
 *     └── RateLimited, Unavailable
 */

import type { Job } from "./types.js";

export class MemoryServiceError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

export class ConnectionFailed extends MemoryServiceError {
  /** Whether the service may have carried out the call; no platform but Node says that it cannot. */
  readonly sent: boolean;

  constructor(message: string, options?: { cause?: unknown; sent?: boolean }) {
    super(message, options);
    this.sent = options?.sent ?? true;
  }
}

export class RequestTimeout extends MemoryServiceError {}

export class UnexpectedAnswer extends MemoryServiceError {}

export class JobFailed extends MemoryServiceError {
  constructor(readonly job: Job) {
    super(`the job ${job.id} (${job.kind}) ${job.status}: ${job.error ?? "no reason was kept"}`);
  }
}

export interface FieldProblem {
  pointer: string;
  detail: string;
}

/** The problem document of a refusal (RFC 9457). */
export interface Problem {
  status?: number;
  title?: string;
  detail?: string;
  code?: string;
  errors?: FieldProblem[];
  request_id?: string;
  retryable?: boolean;
  [extra: string]: unknown;
}

export class ApiError extends MemoryServiceError {
  readonly code: string;
  readonly errors: readonly FieldProblem[];
  readonly requestId: string | undefined;
  readonly retryable: boolean;

  constructor(
    readonly status: number,
    readonly problem: Problem,
    /** Seconds that the service asks to wait, when it says. */
    readonly retryAfter?: number,
  ) {
    super(problem.detail ?? problem.title ?? `the service answered ${status}`);
    this.code = problem.code ?? "";
    this.errors = problem.errors ?? [];
    this.requestId = problem.request_id;
    this.retryable = problem.retryable ?? false;
  }
}

export class Unauthenticated extends ApiError {}
export class PermissionDenied extends ApiError {}
export class NotFound extends ApiError {}
export class NamespaceNotFound extends NotFound {}
export class Conflict extends ApiError {}
export class Erased extends ApiError {}
export class VersionMismatch extends ApiError {}
export class TooLarge extends ApiError {}
export class InvalidRequest extends ApiError {}
export class RateLimited extends ApiError {}
export class Unavailable extends ApiError {}

type Refusal = new (status: number, problem: Problem, retryAfter?: number) => ApiError;

/** Codes with a class of their own; the others have that of their status. */
const BY_CODE: Readonly<Record<string, Refusal>> = {
  namespace_not_found: NamespaceNotFound,
};

const BY_STATUS: Readonly<Record<number, Refusal>> = {
  400: InvalidRequest,
  401: Unauthenticated,
  403: PermissionDenied,
  404: NotFound,
  409: Conflict,
  410: Erased,
  412: VersionMismatch,
  413: TooLarge,
  415: InvalidRequest,
  422: InvalidRequest,
  429: RateLimited,
  502: Unavailable,
  503: Unavailable,
  504: Unavailable,
};

/** Return the error that a refusal is, from its code and status. */
export function refusal(status: number, problem: Problem, retryAfter?: number): ApiError {
  const kind = BY_CODE[problem.code ?? ""] ?? BY_STATUS[status] ?? ApiError;
  return new kind(status, problem, retryAfter);
}
