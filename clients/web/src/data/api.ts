/** Calls to the service that served this page: same origin, the session's cookie, problems as errors. */

/** What the service answers when it refuses (RFC 9457). */
export interface Problem {
  status: number;
  code: string;
  title: string;
  detail: string;
  retryable?: boolean;
  request_id?: string;
  errors?: { pointer: string; detail: string }[];
}

/** A refusal of the service, or no answer at all (status 0). */
export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

export type Query = Record<string, string | number | boolean | null | undefined | readonly string[]>;

/** Return a path with those parameters that have a value. */
export function withQuery(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

interface CallOptions {
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** What a call answered, with its version (`ETag`) for a later `If-Match`. */
export interface Answer<T> {
  body: T;
  etag: string | null;
  status: number;
}

type Listener = () => void;
const expired = new Set<Listener>();

/** Be told when the service says that nobody is logged in any more. */
export function onSessionExpired(listener: Listener): () => void {
  expired.add(listener);
  return () => expired.delete(listener);
}

/** Call the service and return the answer with its headers that matter. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  // A header that no form of another site can send.
  if (method !== "GET") headers["X-Requested-By"] = "admin";
  const init: RequestInit = { method, headers, credentials: "same-origin", signal: options.signal ?? null };
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError({
      status: 0,
      code: "unreachable",
      title: "No answer",
      detail: "The service does not answer. Is it still running?",
      retryable: true,
    });
  }
  const body = await parsed(response);
  if (!response.ok) {
    if (response.status === 401 && !path.startsWith("/admin/session")) for (const tell of expired) tell();
    throw new ApiError(asProblem(response, body));
  }
  return { body: body as T, etag: response.headers.get("ETag"), status: response.status };
}

async function parsed(response: Response): Promise<unknown> {
  if (response.status === 204) return null;
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return text;
  }
}

function asProblem(response: Response, body: unknown): Problem {
  const said = typeof body === "object" && body !== null ? (body as Partial<Problem>) : {};
  return {
    code: "http_error",
    title: response.statusText || `HTTP ${response.status}`,
    detail: `The service answered ${response.status}.`,
    ...said,
    status: response.status,
  };
}

export const get = async <T>(path: string, query?: Query): Promise<T> =>
  (await call<T>("GET", path, query ? { query } : {})).body;
export const post = async <T>(path: string, body?: unknown, query?: Query): Promise<T> =>
  (await call<T>("POST", path, { body: body ?? {}, ...(query ? { query } : {}) })).body;
export const put = async <T>(path: string, body: unknown): Promise<T> => (await call<T>("PUT", path, { body })).body;
export const patch = async <T>(path: string, body: unknown, etag?: string | null): Promise<T> =>
  (await call<T>("PATCH", path, { body, ...(etag ? { headers: { "If-Match": etag } } : {}) })).body;
export const remove = async <T>(path: string, query?: Query): Promise<T> =>
  (await call<T>("DELETE", path, query ? { query } : {})).body;

/** The path of a memory, or of what lies below it. */
export const memoryPath = (id: string, below = ""): string => `/v1/memories/${encodeURIComponent(id)}${below}`;
