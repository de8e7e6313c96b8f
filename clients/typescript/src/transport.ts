/** Requests over fetch: key, retries with one idempotency key, time limits, errors by class. */

import { Deadline } from "./deadline.js";
import {
  ConnectionFailed,
  Erased,
  MemoryServiceError,
  NotFound,
  type Problem,
  refusal,
  UnexpectedAnswer,
} from "./errors.js";
import {
  type Attempt,
  DEFAULT_RETRIES,
  isKeyed,
  mayHaveHappened,
  pauseAfter,
  retryAfterSeconds,
  stillRuns,
  type RetryPolicy,
} from "./retries.js";

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;
type QueryValue = string | number | boolean | null | undefined;
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[]>>;

export interface ClientOptions {
  /** Address of the service; else MEMORY_SERVICE_URL, else http://127.0.0.1:8000. */
  url?: string;
  /** The API key; else MEMORY_SERVICE_API_KEY. */
  apiKey?: string;
  /** How long a call may take with all its attempts; 60,000. */
  timeoutMs?: number;
  /** How often a call is made at most, and the longest Retry-After that is slept through. */
  retries?: Partial<RetryPolicy>;
  /** Another fetch than the platform's. */
  fetch?: Fetch;
}

/** What every call takes beside what it asks. */
export interface CallOptions {
  /** Ends the call; its reason is thrown. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Of a call that changes data, as far as the service keeps its answer; one is made for each call otherwise. */
  idempotencyKey?: string | undefined;
  /** The version that must be the present one, else VersionMismatch. */
  ifMatch?: number | undefined;
}

export interface Request extends CallOptions {
  method: string;
  path: string;
  query?: Query | undefined;
  body?: unknown;
}

/** An answer of success: its status and what its body holds, undefined when it has none. */
export interface Received {
  status: number;
  value: unknown;
}

const DEFAULT_URL = "http://127.0.0.1:8000";
const DEFAULT_TIMEOUT_MS = 60_000;
/** What Node says of a connection that was never made. */
const UNSENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);
/** What it says of a connection that was never made, and of one that broke. */
const UNREACHABLE = new Set(["EHOSTUNREACH", "ENETUNREACH"]);

export class Transport {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #retries: RetryPolicy;
  readonly #fetch: Fetch;

  constructor(options: ClientOptions) {
    this.url = checkedUrl(options.url ?? variable("MEMORY_SERVICE_URL") ?? DEFAULT_URL);
    const apiKey = (options.apiKey ?? variable("MEMORY_SERVICE_API_KEY"))?.trim();
    if (options.apiKey?.trim() === "") {
      throw new MemoryServiceError("the API key that is given is empty: leave it out to take MEMORY_SERVICE_API_KEY");
    }
    if (options.apiKey === undefined && isEmpty("MEMORY_SERVICE_API_KEY")) {
      throw new MemoryServiceError("MEMORY_SERVICE_API_KEY is set and empty: put a key into it, or pass { apiKey }");
    }
    if (!apiKey) {
      throw new MemoryServiceError("no API key: pass { apiKey }, or set MEMORY_SERVICE_API_KEY");
    }
    // A platform that refuses the header quotes it, and with it the key.
    if (!/^[\x21-\x7e]+$/.test(apiKey)) {
      throw new MemoryServiceError("the API key has characters that no key has; was something else pasted?");
    }
    this.#headers = { Accept: "application/json", Authorization: `Bearer ${apiKey}` };
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#retries = { ...DEFAULT_RETRIES, ...options.retries };
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** Make a call, again where that is safe, and return what it answered. */
  async send(request: Request): Promise<Received> {
    const { method, path } = request;
    const deadline = new Deadline(`${method} ${path}`, request.timeoutMs ?? this.#timeoutMs, request.signal);
    try {
      return await this.#attempts(request, deadline);
    } finally {
      deadline.close();
    }
  }

  /** Open a stream of server-sent events; one attempt, no time limit of its own. */
  async open(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const headers = { ...this.#headers, Accept: "text/event-stream" };
    const response = await this.#exchange(this.url + path, { method: "GET", headers, signal });
    if (!response.ok) throw await this.#refused(response, signal);
    if (!response.body) throw new UnexpectedAnswer(`GET ${path} answered ${response.status} without a stream`);
    return response.body;
  }

  async #attempts(request: Request, deadline: Deadline): Promise<Received> {
    const { method, path, body } = request;
    const init: RequestInit = { method, headers: this.#headersOf(request), signal: deadline.signal };
    if (body !== undefined) init.body = JSON.stringify(body);
    const address = this.url + path + queryString(request.query);
    // Without a key, the second attempt would stumble over the version that the first one has made.
    const repeatable = isKeyed(method, path) || request.ifMatch === undefined;
    let number = 1;
    let perhapsDone = false;
    for (;;) {
      let failure: MemoryServiceError;
      let attempt: Attempt;
      try {
        const response = await this.#exchange(address, init);
        if (response.ok) return { status: response.status, value: await this.#decoded(response, deadline) };
        const refused = await this.#refused(response, deadline.signal);
        if (perhapsDone && method === "DELETE" && (refused instanceof NotFound || refused instanceof Erased)) {
          return { status: 204, value: undefined }; // An attempt whose answer was lost has removed it.
        }
        const { status, code, retryAfter } = refused;
        failure = refused;
        attempt = { number, status, code, retryAfter, repeatable };
      } catch (error) {
        if (!(error instanceof ConnectionFailed)) throw error;
        failure = error;
        attempt = { number, status: 0, repeatable, sent: error.sent };
      }
      const pause = pauseAfter(attempt, this.#retries, Math.random);
      if (pause === undefined || deadline.endsWithin(pause)) throw failure;
      perhapsDone ||= mayHaveHappened(attempt);
      await deadline.sleep(pause);
      if (!stillRuns(attempt)) number++;
    }
  }

  #headersOf({ method, path, body, idempotencyKey, ifMatch }: Request): Record<string, string> {
    const headers: Record<string, string> = { ...this.#headers };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (isKeyed(method, path)) headers["Idempotency-Key"] = checkedKey(idempotencyKey ?? newKey());
    if (ifMatch !== undefined) headers["If-Match"] = `"${ifMatch}"`;
    return headers;
  }

  async #exchange(address: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      // Sent on to another address a POST becomes a GET: it would change nothing, and its answer would be another.
      response = await this.#fetch(address, { ...init, redirect: "manual" });
    } catch (error) {
      throw lost(address, init.signal, error);
    }
    if (response.type === "opaqueredirect" || response.headers.has("Location") && isRedirect(response.status)) {
      await response.body?.cancel();
      throw new UnexpectedAnswer(`${address} answered with a redirect; give the client the address it leads to`);
    }
    return response;
  }

  async #decoded(response: Response, deadline: Deadline): Promise<unknown> {
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw lost(response.url, deadline.signal, error);
    }
    if (text === "") return undefined;
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new UnexpectedAnswer(`${response.url} answered ${response.status} with something that is not JSON`, {
        cause: error,
      });
    }
  }

  async #refused(response: Response, signal: AbortSignal) {
    let problem: Problem = { title: response.statusText };
    try {
      const said: unknown = await response.json();
      if (typeof said === "object" && said !== null) problem = said as Problem;
    } catch {
      signal.throwIfAborted();
      // Something between us and the service answered, not the service; its status is all there is.
    }
    return refusal(response.status, problem, retryAfterSeconds(response.headers.get("Retry-After"), new Date()));
  }
}

/** Return the address of the service without a slash at its end; in a page it may be relative to it. */
function checkedUrl(given: string): string {
  const shown = given.includes("@") ? "what is given" : given; // It may hold a password.
  const page = (globalThis as { location?: { href?: string } }).location?.href;
  let address: URL;
  try {
    address = new URL(given, page);
  } catch {
    throw new MemoryServiceError(`${shown} is no URL of a memory service; one looks like ${DEFAULT_URL}`);
  }
  if (address.username || address.password) {
    throw new MemoryServiceError("the URL of the memory service names a user or a password; pass { apiKey } instead");
  }
  if (address.protocol !== "http:" && address.protocol !== "https:") {
    throw new MemoryServiceError(`${shown} is no URL of a memory service; one looks like ${DEFAULT_URL}`);
  }
  return given.replace(/\/+$/, "");
}

/** Return why there is no answer: the caller or the clock ended the call, or the connection broke. */
function lost(address: string, signal: AbortSignal | null | undefined, error: unknown): unknown {
  if (signal?.aborted) return signal.reason;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  const { code, syscall } = (cause ?? {}) as { code?: unknown; syscall?: unknown };
  const sent = !UNSENT.has(String(code)) && !(UNREACHABLE.has(String(code)) && syscall === "connect");
  return new ConnectionFailed(`${address} does not answer (${why})`, { cause: error, sent });
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Return an idempotency key that the service takes; a platform calls a header that cannot be sent a broken connection. */
function checkedKey(key: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new TypeError("an idempotency key is 1 to 255 visible ASCII characters");
  return key;
}

/** Return a path with its parameters in their places; whatever they hold, each stays one segment. */
export function fillPath(template: string, parameters: Readonly<Record<string, unknown>> = {}): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined || value === null || value === "") throw new TypeError(`${template} needs ${name}`);
    // A URL takes these for steps, even when they are percent-encoded.
    if (value === "." || value === "..") throw new TypeError(`${name} cannot be ${value}`);
    return encodeURIComponent(String(value));
  });
}

function queryString(query: Query | undefined): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) pairs.append(name, String(one));
    }
  }
  const text = pairs.toString();
  return text && `?${text}`;
}

/** Return a random UUID, also where a page is not served over TLS and randomUUID is missing. */
function newKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return a variable of the environment where there is one; browsers have none, and an empty one says nothing. */
function variable(name: string): string | undefined {
  return environment()?.[name] || undefined;
}

/** Say whether a variable is there and holds nothing: somebody emptied it, or a substitution failed. */
function isEmpty(name: string): boolean {
  return environment()?.[name]?.trim() === "";
}

function environment(): Record<string, string | undefined> | undefined {
  return (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env;
}
