/** Memories written and searches made on each day, as two rows of bars. */

import type { Schema } from "../../data/types";
import { count, dayOf } from "../../ui/format";

const HEIGHT = 64;

export function Days({ days }: { days: Schema<"DayOut">[] }) {
  return (
    <div class="days">
      {(["memories", "searches"] as const).map((what) => {
        const most = Math.max(1, ...days.map((day) => day[what]));
        const total = days.reduce((sum, day) => sum + day[what], 0);
        return (
          <figure key={what}>
            <figcaption class="row-between small">
              <span class="quiet">{what === "memories" ? "Written" : "Searches"}</span>
              <span class="number faint">{count(total)}</span>
            </figcaption>
            <svg viewBox={`0 0 ${days.length * 10} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${what} by day: ${count(total)} in ${days.length} days, at most ${count(most)} on one`}>
              {days.map((day, n) => {
                const height = day[what] === 0 ? 1 : Math.max(3, (HEIGHT - 2) * (day[what] / most));
                return (
                  <rect key={day.day} x={n * 10 + 1} width={8} y={HEIGHT - height} height={height} rx={1.5} fill={day[what] === 0 ? "var(--line-strong)" : what === "memories" ? "var(--vector)" : "var(--keyword)"}>
                    <title>{`${dayOf(day.day)}: ${count(day[what])}`}</title>
                  </rect>
                );
              })}
            </svg>
          </figure>
        );
      })}
    </div>
  );
}
