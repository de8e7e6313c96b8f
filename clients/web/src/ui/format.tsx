/** Numbers and times as people read them. */

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export const fullTime = (at: string | Date): string => FULL.format(new Date(at));
export const dayOf = (at: string | Date): string => DAY.format(new Date(at));

/** Return how long ago, or in how long. */
export function relativeTime(at: string | Date, now = Date.now()): string {
  const seconds = (new Date(at).getTime() - now) / 1000;
  for (const [unit, length] of UNITS) if (Math.abs(seconds) >= length) return RELATIVE.format(Math.trunc(seconds / length), unit);
  return "just now";
}

/** A moment: relative for people, exact on hover and for machines. */
export function Time({ at, exact }: { at: string | null | undefined; exact?: boolean }) {
  if (!at) return <span class="faint">—</span>;
  return <time dateTime={at} title={fullTime(at)}>{exact ? fullTime(at) : relativeTime(at)}</time>;
}

export const count = (value: number | null | undefined): string => (value ?? 0).toLocaleString("en");
export const percent = (share: number, digits = 0): string => `${(share * 100).toFixed(digits)} %`;
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (size >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${size >= 100 || at === 0 ? size.toFixed(0) : size.toFixed(1)} ${units[at]}`;
}

/** The beginning of an id, enough to tell it from its neighbours. */
export const shortId = (id: string): string => id.slice(-8);
