/** What differs between two texts, word by word. */

export interface Stretch {
  kind: "same" | "gone" | "come";
  text: string;
}

/** Words and what lies between them, so that joined again they are the text. */
const cut = (text: string): string[] => text.match(/\p{L}[\p{L}\p{M}\p{N}'’_-]*|\p{N}+(?:[.,:]\p{N}+)*|\s+|./gsu) ?? [];

/** Beyond this many comparisons two texts are shown as replaced whole: a browser must not freeze over them. */
const MOST = 4_000_000;

/** Return the stretches that turn `before` into `after`, by their longest common run of words.
 *
 * "at 9 sharp" → "at 10 sharp": same "at ", gone "9", come "10", same " sharp".
 */
export function wordDiff(before: string, after: string): Stretch[] {
  const a = cut(before);
  const b = cut(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const found: Stretch[] = [];
  const say = (kind: Stretch["kind"], text: string) => {
    if (!text) return;
    const last = found[found.length - 1];
    if (last?.kind === kind) last.text += text;
    else found.push({ kind, text });
  };
  say("same", a.slice(0, head).join(""));
  for (const one of middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail))) say(one.kind, one.text);
  say("same", a.slice(a.length - tail).join(""));
  return joined(found);
}

function middle(a: string[], b: string[]): Stretch[] {
  if (a.length * b.length > MOST) return [{ kind: "gone", text: a.join("") }, { kind: "come", text: b.join("") }];
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i * width + j] =
        a[i] === b[j]
          ? (common[(i + 1) * width + j + 1] as number) + 1
          : Math.max(common[(i + 1) * width + j] as number, common[i * width + j + 1] as number);
  const found: Stretch[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      found.push({ kind: "same", text: a[i] as string });
      i += 1;
      j += 1;
    } else if ((common[(i + 1) * width + j] as number) >= (common[i * width + j + 1] as number)) found.push({ kind: "gone", text: a[i++] as string });
    else found.push({ kind: "come", text: b[j++] as string });
  }
  while (i < a.length) found.push({ kind: "gone", text: a[i++] as string });
  while (j < b.length) found.push({ kind: "come", text: b[j++] as string });
  return found;
}

/** A blank kept between two changes makes them hard to read: it is taken into both. */
function joined(found: Stretch[]): Stretch[] {
  const out: Stretch[] = [];
  let gone = "";
  let come = "";
  const flush = () => {
    if (gone) out.push({ kind: "gone", text: gone });
    if (come) out.push({ kind: "come", text: come });
    gone = come = "";
  };
  found.forEach((one, at) => {
    const between = one.kind === "same" && !one.text.trim() && at > 0 && at < found.length - 1;
    if (one.kind === "gone" || between) gone += one.text;
    if (one.kind === "come" || between) come += one.text;
    if (one.kind === "same" && !between) {
      flush();
      out.push(one);
    }
  });
  flush();
  return out;
}
