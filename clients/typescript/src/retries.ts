/** Decide whether a call is made again, and after how long; knows neither clock nor network. */

/** How one attempt ended. A status of 0 says that no answer came. */
export interface Attempt {
  /** Counts from 1; one that says that the call still runs is not counted. */
  number: number;
  status: number;
  code?: string | undefined;
  /** Seconds, as the service said. */
  retryAfter?: number | undefined;
  /** Whether doing it twice is doing it once. */
  repeatable: boolean;
  /** Without an answer: whether the request may have arrived; it may unless this says no. */
  sent?: boolean | undefined;
}

export interface RetryPolicy {
  /** How often a call is made at most. */
  attempts: number;
  /** The longest Retry-After that is slept through; a longer one is told to the caller. */
  longestWaitMs: number;
}

export const DEFAULT_RETRIES: RetryPolicy = { attempts: 4, longestWaitMs: 30_000 };

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 8_000;
const STILL_RUNNING = "idempotency_in_progress";
/** The one 503 of the service after which the change may stand; the others say that nothing was changed. */
const OUTCOME_UNKNOWN = "outcome_unknown";
/** Beside every POST, the calls whose answer the service keeps under an Idempotency-Key. */
const KEYED = /^(PATCH \/v1\/(memories|tasks)\/[^/]+|(PUT|PATCH) \/v1\/blocks\/[^/]+)$/;

/** Return the milliseconds to wait before the next attempt, undefined when there is none. */
export function pauseAfter(attempt: Attempt, policy: RetryPolicy, random: () => number): number | undefined {
  const used = attempt.number >= policy.attempts && !stillRuns(attempt);
  if (used || !mayRepeat(attempt)) return undefined;
  // Clients that failed together must not come back together.
  const drawn = Math.min(FIRST_PAUSE_MS * 2 ** (attempt.number - 1), LONGEST_PAUSE_MS) * (0.5 + random());
  if (attempt.retryAfter === undefined) return drawn;
  const asked = attempt.retryAfter * 1000;
  return asked <= policy.longestWaitMs ? asked + drawn : undefined;
}

/** Say whether the call was heard before and its first attempt has not ended: no attempt that failed. */
export function stillRuns({ status, code }: Pick<Attempt, "status" | "code">): boolean {
  return status === 409 && code === STILL_RUNNING;
}

/** Say whether a call may have been carried out although it failed: what a gateway says stands between us and what happened. */
export function mayHaveHappened({ status, code, sent }: Pick<Attempt, "status" | "code" | "sent">): boolean {
  if (status === 0) return sent !== false;
  return code === OUTCOME_UNKNOWN || (!code && [502, 503, 504].includes(status));
}

/** Say whether the service keeps the answer of a call under its Idempotency-Key; a POST that only reads ignores the key. */
export function isKeyed(method: string, path: string): boolean {
  return method === "POST" || KEYED.test(`${method} ${path}`);
}

function mayRepeat(attempt: Attempt): boolean {
  const transient = [0, 429, 502, 503, 504].includes(attempt.status) || stillRuns(attempt);
  return transient && (attempt.repeatable || !mayHaveHappened(attempt));
}

/** Return the seconds of a Retry-After header, undefined when it says none. */
export function retryAfterSeconds(header: string | null, now: Date): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const until = Date.parse(header);
  return Number.isNaN(until) ? undefined : Math.max(0, (until - now.getTime()) / 1000);
}
