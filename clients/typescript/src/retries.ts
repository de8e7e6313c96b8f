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
}

export interface RetryPolicy {
  /** How often a call is made at most. */
  attempts: number;
  /** The longest Retry-After that is slept through; a longer one is told to the caller. */
  longestWaitMs: number;
}

export const DEFAULT_RETRIES: RetryPolicy = { attempts: 4, longestWaitMs: 30_000 };

const FIRST_PAUSE_MS = 200;
const STILL_RUNNING = "idempotency_in_progress";

/** Return the milliseconds to wait before the next attempt, undefined when there is none. */
export function pauseAfter(attempt: Attempt, policy: RetryPolicy, random: () => number): number | undefined {
  const used = attempt.number >= policy.attempts && !stillRuns(attempt);
  if (used || !mayRepeat(attempt)) return undefined;
  if (attempt.retryAfter !== undefined) {
    const least = stillRuns(attempt) ? FIRST_PAUSE_MS : 0;
    const asked = Math.max(attempt.retryAfter * 1000, least);
    return asked <= policy.longestWaitMs ? asked : undefined;
  }
  // Clients that failed together must not come back together.
  return FIRST_PAUSE_MS * 2 ** (attempt.number - 1) * (0.5 + random());
}

/** Say whether the call was heard before and its first attempt has not ended: no attempt that failed. */
export function stillRuns({ status, code }: Pick<Attempt, "status" | "code">): boolean {
  return status === 409 && code === STILL_RUNNING;
}

function mayRepeat({ status, code, repeatable }: Attempt): boolean {
  if (status === 429 || status === 503) return true; // Nothing happened.
  if (status === 409) return stillRuns({ status, code });
  return repeatable && (status === 0 || status === 502 || status === 504);
}

/** Return the seconds of a Retry-After header, undefined when it says none. */
export function retryAfterSeconds(header: string | null, now: Date): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const until = Date.parse(header);
  return Number.isNaN(until) ? undefined : Math.max(0, (until - now.getTime()) / 1000);
}
