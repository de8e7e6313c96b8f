/** How many memories fall into each stretch of time; each bar leads into its stretch. */

import { dayOf, plural } from "../../ui/format";
import type { Timeline } from "./model";

interface Props {
  buckets: Timeline["buckets"];
  bucket: string;
  from: string | null;
  to: string | null;
  label: string;
  onBucket: (start: string, end: string | null) => void;
}

const MOST = 120;

const LENGTHS: Record<string, number> = { hour: 3_600_000, day: 86_400_000, week: 604_800_000, month: 2_629_800_000, year: 31_557_600_000 };

export interface Bar {
  start: string;
  /** Where the next one with memories begins; null for the last. */
  end: string | null;
  count: number;
}

/** Return bars of one length from the first bucket to the last: the service tells only those that have memories. */
export function barsOf(buckets: Timeline["buckets"], bucket: string, most = MOST): Bar[] {
  const first = Date.parse(buckets[0]?.start ?? "");
  const last = Date.parse(buckets[buckets.length - 1]?.start ?? "");
  if (!Number.isFinite(first) || !Number.isFinite(last)) return [];
  const each = LENGTHS[bucket] ?? 86_400_000;
  const number = Math.max(1, Math.min(most, Math.round((last - first) / each) + 1));
  const length = Math.max(each, (last - first + each) / number);
  const bars = Array.from({ length: number }, (_, at): Bar => ({ start: new Date(first + at * length).toISOString(), end: null, count: 0 }));
  let before: Bar | null = null;
  for (const one of buckets) {
    // Months and years differ in length: what begins within half a bucket of a bar belongs to it.
    const bar: Bar = bars[Math.min(number - 1, Math.floor((Date.parse(one.start) - first + each / 2) / length))]!;
    if (bar !== before) {
      bar.start = one.start;
      if (before) before.end = one.start;
      before = bar;
    }
    bar.count += one.count;
  }
  return bars;
}

export function Histogram({ buckets, bucket, from, to, label, onBucket }: Props) {
  const bars = barsOf(buckets, bucket);
  const most = Math.max(1, ...bars.map((bar) => bar.count));
  const inside = (start: string) => (!from || Date.parse(start) >= Date.parse(from)) && (!to || Date.parse(start) < Date.parse(to));
  if (!bars.length) return null;
  return (
    <div class="histogram" role="group" aria-label={label}>
      <div class="histogram-bars">
        {bars.map((bar) => (
          <button
            key={bar.start}
            type="button"
            class="histogram-bar"
            data-inside={inside(bar.start)}
            disabled={!bar.count}
            title={`${dayOf(bar.start)}: ${plural(bar.count, "memory", "memories")}`}
            aria-label={`${dayOf(bar.start)}: ${plural(bar.count, "memory", "memories")}`}
            onClick={() => onBucket(bar.start, bar.end)}
          >
            <span style={{ height: `${bar.count ? 6 + (94 * bar.count) / most : 0}%` }} />
          </button>
        ))}
      </div>
      <div class="row-between tiny faint"><span>{dayOf(bars[0]!.start)}</span><span>{dayOf(bars[bars.length - 1]!.start)}</span></div>
    </div>
  );
}
