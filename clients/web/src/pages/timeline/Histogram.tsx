/** How many memories fall into each stretch of time; each bar leads into its stretch. */

import { dayOf, plural } from "../../ui/format";
import type { Timeline } from "./model";

interface Props {
  buckets: Timeline["buckets"];
  from: string | null;
  to: string | null;
  label: string;
  onBucket: (start: string, end: string | null) => void;
}

const MOST = 120;

/** Join neighbouring buckets until they fit. */
export function joined(buckets: Timeline["buckets"], most = MOST): { start: string; end: string | null; count: number }[] {
  const each = Math.max(1, Math.ceil(buckets.length / most));
  const bars: { start: string; end: string | null; count: number }[] = [];
  for (let at = 0; at < buckets.length; at += each) {
    const part = buckets.slice(at, at + each);
    bars.push({ start: part[0]!.start, end: buckets[at + each]?.start ?? null, count: part.reduce((sum, one) => sum + one.count, 0) });
  }
  return bars;
}

export function Histogram({ buckets, from, to, label, onBucket }: Props) {
  const bars = joined(buckets);
  const most = Math.max(1, ...bars.map((bar) => bar.count));
  const inside = (start: string) => (!from || start >= from) && (!to || start <= to);
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
