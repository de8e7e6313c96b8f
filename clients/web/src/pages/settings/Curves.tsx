/** Retrievability over time for each type of memory, as a policy has it. */

import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";
import { useWidth } from "../../ui/width";
import type { Policy } from "./Retention";

const HEIGHT = 260;
const LEFT = 46;
const BOTTOM = 30;
const DAYS = [1, 7, 30, 90, 365, 1095];
const COLOURS: Record<string, string> = {
  working: "var(--graph)",
  episodic: "var(--temporal)",
  semantic: "var(--vector)",
  procedural: "var(--keyword)",
  core: "var(--hopfield)",
};
/** FSRS: R(t) = (1 + 19/81 · t/S)^−½, so that R(S) = 0.9; Ebbinghaus with the same S: R(t) = 0.9^(t/S). */
const FSRS_FACTOR = 19 / 81;

export function retrievability(days: number, stability: number, curve: Policy["curve"]): number {
  return curve === "power" ? (1 + (FSRS_FACTOR * days) / stability) ** -0.5 : 0.9 ** (days / stability);
}

export function Curves({ policy }: { policy: Policy }) {
  const [svg, width] = useWidth<SVGSVGElement>(640, 240);
  const x = scaleLog().domain([0.5, 1095]).range([LEFT, width - 12]);
  const y = scaleLinear().domain([0, 1]).range([HEIGHT - BOTTOM, 10]);
  const steps = Array.from({ length: 90 }, (_, n) => x.invert(LEFT + ((width - 12 - LEFT) * n) / 89));
  const types = Object.entries(policy.stability_days).filter(([, days]) => days > 0);
  const table = types.map(([type, stability]) => `${type}: ${DAYS.map((day) => `${Math.round(100 * retrievability(day, stability, policy.curve))} % after ${day} days`).join(", ")}`);
  return (
    <figure>
      <svg ref={svg} class="curves" viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={`Retrievability without recalls. ${table.join(". ")}`}>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <g key={share}>
            <line x1={LEFT} x2={width - 12} y1={y(share)} y2={y(share)} stroke="var(--line)" />
            <text x={LEFT - 6} y={y(share) + 4} text-anchor="end">{Math.round(share * 100)} %</text>
          </g>
        ))}
        {DAYS.map((day) => <text key={day} x={x(day)} y={HEIGHT - 8} text-anchor="middle">{day < 365 ? `${day} d` : `${day / 365} y`}</text>)}
        <line x1={LEFT} x2={width - 12} y1={y(policy.archive_below)} y2={y(policy.archive_below)} stroke="var(--bad)" stroke-dasharray="4 4" />
        <text x={LEFT + 6} y={y(policy.archive_below) - 6} style={{ fill: "var(--bad)" }}>archived below</text>
        {types.map(([type, stability]) => (
          <path key={type} fill="none" stroke={COLOURS[type] ?? "var(--accent)"} stroke-width="2.2" d={line<number>((day) => x(day), (day) => y(retrievability(day, stability, policy.curve)))(steps) ?? ""} />
        ))}
      </svg>
      <figcaption class="row small">
        {types.map(([type]) => (
          <span key={type} class="row" style={{ gap: 5 }}>
            <span class="dot" style={{ background: COLOURS[type] ?? "var(--accent)" }} />
            {type}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
