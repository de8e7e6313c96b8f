/** Bound a call in time, and let its caller end it. */

import { RequestTimeout } from "./errors.js";

/** The longest that timers wait, some 25 days; what is longer they take for no time at all. */
const LONGEST_MS = 2 ** 31 - 1;

/** One call's time: `signal` fires when the caller's does or when time is up, with the reason. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #end: number;
  readonly #outer: AbortSignal | undefined;
  readonly #follow = () => this.#controller.abort(this.#outer?.reason);

  constructor(what: string, timeoutMs: number | undefined, outer: AbortSignal | undefined) {
    this.#outer = outer;
    if (outer?.aborted) this.#follow();
    else outer?.addEventListener("abort", this.#follow, { once: true });
    this.#end = performance.now() + (timeoutMs ?? Infinity);
    if (timeoutMs !== undefined && timeoutMs <= LONGEST_MS) {
      const late = () => this.#controller.abort(new RequestTimeout(`${what} took longer than ${timeoutMs} ms`));
      this.#timer = setTimeout(late, timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Say whether the time is up before so many milliseconds are over. */
  endsWithin(milliseconds: number): boolean {
    return performance.now() + milliseconds >= this.#end;
  }

  /** Wait, or throw the reason when the call is ended meanwhile. */
  async sleep(milliseconds: number): Promise<void> {
    this.signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        reject(this.signal.reason);
      };
      const timer = setTimeout(() => {
        this.signal.removeEventListener("abort", end);
        resolve();
      }, Math.min(milliseconds, LONGEST_MS));
      this.signal.addEventListener("abort", end, { once: true });
    });
  }

  /** Let go of timer and listener. */
  close(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#follow);
  }
}
