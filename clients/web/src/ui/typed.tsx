/** Fields that write to the address: while one types it waits, so that not every letter is a search. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

const WAIT_MS = 350;

interface Props extends Omit<JSX.InputHTMLAttributes<HTMLInputElement>, "value" | "onChange" | "onInput"> {
  value: string;
  onValue: (value: string) => void;
}

/** A text field whose value arrives once the typist pauses, leaves it, or presses Enter. */
export function TypedInput({ value, onValue, class: more, ...rest }: Props) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const told = useRef(value);
  useEffect(() => {
    if (value !== told.current) setText(value);
    told.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const tell = (next: string) => {
    clearTimeout(timer.current);
    if (next === told.current) return;
    told.current = next;
    onValue(next);
  };
  return (
    <input
      {...rest}
      class={more ? `input ${String(more)}` : "input"}
      value={text}
      onInput={(event) => {
        const next = event.currentTarget.value;
        setText(next);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => tell(next), WAIT_MS);
      }}
      onBlur={(event) => tell(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Enter" && tell(event.currentTarget.value)}
    />
  );
}
