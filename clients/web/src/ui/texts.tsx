/** Texts of memories as they are: with stretches marked, or compared with another. Never as HTML. */

import type { ComponentChildren } from "preact";
import "./texts.css";
import { wordDiff } from "./words";

export interface Mark {
  /** Characters, from before the first to before the last plus one. */
  from: number;
  to: number;
  title: string;
}

/** A text with stretches marked. Characters are counted as the service does, by code points. */
export function Marked({ text, marks }: { text: string; marks: Mark[] }) {
  const points = [...text];
  const cuts = [...new Set([0, points.length, ...marks.flatMap((one) => [one.from, one.to])])]
    .filter((at) => at >= 0 && at <= points.length)
    .sort((a, b) => a - b);
  const parts: ComponentChildren[] = [];
  for (let n = 0; n + 1 < cuts.length; n += 1) {
    const [from, to] = [cuts[n] as number, cuts[n + 1] as number];
    const over = marks.filter((one) => one.from <= from && one.to >= to);
    const said = points.slice(from, to).join("");
    parts.push(over.length ? <mark key={from} class="span" title={over.map((one) => one.title).join("\n")}>{said}</mark> : said);
  }
  return <>{parts}</>;
}

/** Two texts as one: what went is struck, what came is underlined. */
export function WordDiff({ before, after }: { before: string; after: string }) {
  return (
    <span class="verbatim">
      {wordDiff(before, after).map((one, n) =>
        one.kind === "gone" ? <del key={n}>{one.text}</del> : one.kind === "come" ? <ins key={n}>{one.text}</ins> : one.text,
      )}
    </span>
  );
}

/** One side of a comparison: only what this text has and the other has not is marked. */
export function DiffSide({ before, after, side }: { before: string; after: string; side: "before" | "after" }) {
  const left = side === "before" ? "gone" : "come";
  return (
    <span class="verbatim">
      {wordDiff(before, after)
        .filter((one) => one.kind === "same" || one.kind === left)
        .map((one, n) => (one.kind === "gone" ? <del key={n}>{one.text}</del> : one.kind === "come" ? <ins key={n}>{one.text}</ins> : one.text))}
    </span>
  );
}
