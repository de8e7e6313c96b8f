/** Bound a call in time, and let its caller end it. */

import { RequestTimeout } from "./errors.js";

/** One call's time: `signal` fires when the caller's does or when time is up, with the reason. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #outer: AbortSignal | undefined;
  readonly #follow = () => this.#controller.abort(this.#outer?.reason);

  constructor(what: string, timeoutMs: number | undefined, outer: AbortSignal | undefined) {
    this.#outer = outer;
    if (outer?.aborted) this.#follow();
    else outer?.addEventListener("abort", this.#follow, { once: true });
    if (timeoutMs !== undefined && Number.isFinite(timeoutMs)) {
      const late = () => this.#controller.abort(new RequestTimeout(`${what} took longer than ${timeoutMs} ms`));
      this.#timer = setTimeout(late, timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
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
      }, milliseconds);
      this.signal.addEventListener("abort", end, { once: true });
    });
  }

  /** Let go of timer and listener. */
  close(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#follow);
  }
}
