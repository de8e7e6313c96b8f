/** What just happened, with a way back: undo rather than confirm. */

import { useEffect, useState } from "preact/hooks";
import { Button } from "./parts";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo: (() => Promise<unknown>) | undefined;
}

const SHOWN_MS = 8_000;
let show: (toast: Toast) => void = () => undefined;
let last = 0;

/** Say that something was done; `undo` takes it back. */
export function done(text: string, undo?: () => Promise<unknown>): void {
  show({ id: ++last, text, bad: false, undo });
}

/** Say that something failed. */
export function failed(error: unknown): void {
  show({ id: ++last, text: error instanceof Error ? error.message : String(error), bad: true, undo: undefined });
}

/** Do something, and say how it went. Returns whether it worked. */
export async function attempt(what: () => Promise<unknown>, text: string, undo?: () => Promise<unknown>): Promise<boolean> {
  try {
    await what();
  } catch (error) {
    failed(error);
    return false;
  }
  done(text, undo);
  return true;
}

export function Toasts() {
  const [toasts, setToasts] = useState<Toast[]>([]);
  useEffect(() => {
    show = (toast) => {
      setToasts((before) => [...before.slice(-3), toast]);
      setTimeout(() => setToasts((before) => before.filter((one) => one.id !== toast.id)), SHOWN_MS);
    };
    return () => {
      show = () => undefined;
    };
  }, []);
  const close = (id: number) => setToasts((before) => before.filter((one) => one.id !== id));
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map((toast) => (
        <div key={toast.id} class={toast.bad ? "toast toast-bad" : "toast"}>
          <span class="grow wrap-anywhere">{toast.text}</span>
          {toast.undo && (
            <Button small icon="undo" onClick={() => { close(toast.id); void attempt(toast.undo as () => Promise<unknown>, "Undone."); }}>
              Undo
            </Button>
          )}
          <Button small kind="quiet" icon="close" aria-label="Dismiss" onClick={() => close(toast.id)} />
        </div>
      ))}
    </div>
  );
}
