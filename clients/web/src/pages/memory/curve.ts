/** The course of one memory's strength: what was, what is, what will be if nobody recalls it. Pure. */

export interface PastPoint {
  at: string;
  retrievability: number;
  recall?: boolean;
  useful?: boolean | null;
}

export interface Retention {
  memory_id: string;
  stability_days: number;
  difficulty: number;
  retrievability: number;
  recall_count: number;
  last_recalled_at: string | null;
  precision_tier: string;
  protected: boolean;
  spaced_uses: number;
  activation: number;
  traces: { time_constant_days: number; value: number }[];
  policy: { id: string | null; namespace: string | null; curve: string; thresholds: Record<string, number> };
  past: PastPoint[];
  forecast: { days: number; retrievability: number }[];
  reaches: { threshold: string; below: number; at: string | null }[];
}

export const DAY_MS = 86_400_000;
const FACTOR = 19 / 81; // of the power law (FSRS): after S days R is 0.9

/** Return the probability of recall in some days, from what it is now and how long it holds (docs/discussion/forgetting.md). */
export function strengthIn(days: number, now: number, stabilityDays: number, curve: string): number {
  if (curve === "power") return (now ** -2 + (FACTOR * days) / stabilityDays) ** -0.5;
  return now * 0.9 ** (days / stabilityDays);
}

/** Return when it falls below a strength, in days; null when it holds longer than a person plans, or does not fade. */
export function daysUntil(below: number, { retrievability: now, stability_days: stability, policy, protected: held }: Retention): number | null {
  if (held || now <= below) return held ? null : 0;
  const days = policy.curve === "power" ? (stability * (below ** -2 - now ** -2)) / FACTOR : stability * (Math.log(below / now) / Math.log(0.9));
  return days > 36_525 ? null : days;
}

export interface Point {
  at: number;
  value: number;
}

/** Return points of the forecast, denser where it bends. */
export function forecast(of: Retention, from: number, horizonDays: number, points = 60): Point[] {
  return Array.from({ length: points + 1 }, (_, n) => {
    const days = horizonDays * (n / points) ** 2;
    return { at: from + days * DAY_MS, value: of.protected ? of.retrievability : strengthIn(days, of.retrievability, of.stability_days, of.policy.curve) };
  });
}

/** Return the value of a line of points at a moment, straight between two of them. */
export function valueAt(points: readonly Point[], at: number): number | null {
  const next = points.findIndex((one) => one.at >= at);
  if (next < 0) return null;
  const [b, a] = [points[next] as Point, points[next - 1]];
  if (!a || b.at === a.at) return b.at === at || !a ? b.value : b.value;
  return a.value + ((at - a.at) / (b.at - a.at)) * (b.value - a.value);
}
