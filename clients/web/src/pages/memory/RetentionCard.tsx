/** How a memory fades: its past with the recalls in it, and a forecast. */

import { scaleLinear, scaleTime } from "d3-scale";
import { area, curveMonotoneX, line } from "d3-shape";
import { useMemo, useState } from "preact/hooks";
import { useRead } from "../../data/fetching";
import { useParameters } from "../../data/place";
import { memoryPath } from "../../data/api";
import { dayOf, fullTime, percent, plural } from "../../ui/format";
import { Badge, Card, Facts, Shown } from "../../ui/parts";
import { useWidth } from "../../ui/width";
import { DAY_MS, daysUntil, forecast, type Point, type Retention, valueAt } from "./curve";

const HORIZONS: [string, number, string][] = [["90", 90, "90 days"], ["365", 365, "a year"], ["1825", 1825, "5 years"]];
const HEIGHT = 250;
const EDGE = { left: 46, right: 14, top: 14, bottom: 28 };
const NAME_WIDTH = 150; // of the longest of these, drawn
const THRESHOLD_NAMES: Record<string, string> = { int8: "kept in 8 bits", binary: "kept as signs", archive: "archived" };

function Chart({ of, horizon }: { of: Retention; horizon: number }) {
  const [hovered, setHovered] = useState<number | null>(null);
  const [svg, width] = useWidth<SVGSVGElement>(640, 240);
  const ticks = width < 480 ? 4 : 6;
  const drawn = useMemo(() => {
    const past: Point[] = of.past.map((one) => ({ at: Date.parse(one.at), value: one.retrievability }));
    const now = past[past.length - 1]?.at ?? Date.now();
    const ahead = forecast(of, now, horizon);
    const x = scaleTime([past[0]?.at ?? now, now + horizon * DAY_MS], [EDGE.left, width - EDGE.right]);
    const y = scaleLinear([0, 1], [HEIGHT - EDGE.bottom, EDGE.top]);
    const path = line<Point>((one) => x(one.at), (one) => y(one.value));
    const under = area<Point>((one) => x(one.at), HEIGHT - EDGE.bottom, (one) => y(one.value));
    return { past, now, ahead, x, y, past_path: path(past) ?? "", ahead_path: path.curve(curveMonotoneX)(ahead) ?? "", under: under([...past, ...ahead]) ?? "" };
  }, [of, horizon, width]);
  const { past, now, ahead, x, y } = drawn;
  const recalls = of.past.filter((one) => one.recall);
  /** Whether the curve keeps farther from the name of a threshold on the left than on the right, where it would be crossed. */
  const namedOnTheLeft = (threshold: number): boolean => {
    const away = (start: number) =>
      Math.min(...[0, 0.25, 0.5, 0.75, 1].map((share) => {
        const moment = x.invert(start + share * NAME_WIDTH).getTime();
        return Math.abs((valueAt(moment <= now ? past : ahead, moment) ?? 1) - threshold);
      }));
    return away(EDGE.left) > away(width - EDGE.right - NAME_WIDTH);
  };
  const at = hovered;
  const value = at === null ? null : at <= now ? valueAt(past, at) : valueAt(ahead, at);
  const onMove = (event: PointerEvent) => {
    const box = svg.current?.getBoundingClientRect();
    if (!box) return;
    const px = ((event.clientX - box.left) / box.width) * width;
    setHovered(x.invert(Math.max(EDGE.left, Math.min(width - EDGE.right, px))).getTime());
  };
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const [from, to] = x.domain() as [Date, Date];
    setHovered(Math.max(from.getTime(), Math.min(to.getTime(), (hovered ?? now) + step * (to.getTime() - from.getTime()) / 50)));
  };
  const said = at !== null && value !== null ? `${dayOf(new Date(at))}: ${percent(value, 1)}` : `Now ${percent(of.retrievability, 1)}`;
  return (
    <div class="retention-chart">
      <svg ref={svg} viewBox={`0 0 ${width} ${HEIGHT}`} role="slider" tabIndex={0} aria-label="Probability of recall over time; arrow keys move along it" aria-valuetext={said} aria-valuenow={Math.round((value ?? of.retrievability) * 100)} aria-valuemin={0} aria-valuemax={100} onPointerMove={onMove} onPointerLeave={() => setHovered(null)} onKeyDown={onKey} onBlur={() => setHovered(null)}>
        {[0, 0.25, 0.5, 0.75, 1].map((tick) => (
          <g key={tick}>
            <line class="grid" x1={EDGE.left} x2={width - EDGE.right} y1={y(tick)} y2={y(tick)} />
            <text class="axis" x={EDGE.left - 8} y={y(tick) + 4} text-anchor="end">{tick * 100} %</text>
          </g>
        ))}
        {x.ticks(ticks).map((tick) => <text key={tick.getTime()} class="axis" x={x(tick)} y={HEIGHT - 8} text-anchor="middle">{x.tickFormat(ticks)(tick)}</text>)}
        <path class="curve-under" d={drawn.under} />
        {Object.entries(of.policy.thresholds).map(([name, threshold]) => (
          <g key={name}>
            <line class="threshold" x1={EDGE.left} x2={width - EDGE.right} y1={y(threshold)} y2={y(threshold)} />
            <text class="axis threshold-name" x={namedOnTheLeft(threshold) ? EDGE.left + 4 : width - EDGE.right - 4} y={y(threshold) - 4} text-anchor={namedOnTheLeft(threshold) ? "start" : "end"}>{`below ${threshold}: ${THRESHOLD_NAMES[name] ?? name}`}</text>
          </g>
        ))}
        <path class="curve-past" d={drawn.past_path} />
        <path class="curve-ahead" d={drawn.ahead_path} />
        <line class="now" x1={x(now)} x2={x(now)} y1={EDGE.top} y2={HEIGHT - EDGE.bottom} />
        {!of.protected && of.forecast.filter((one) => one.days > 0 && one.days <= horizon).map((one) => <circle key={one.days} class="forecast-dot" cx={x(now + one.days * DAY_MS)} cy={y(one.retrievability)} r={3} />)}
        {recalls.map((one) => (
          <circle key={one.at} class="recall-dot" data-useful={String(one.useful)} cx={x(Date.parse(one.at))} cy={y(one.retrievability)} r={5}>
            <title>{`recalled ${fullTime(one.at)}${one.useful === true ? ", useful" : one.useful === false ? ", not useful" : ""}`}</title>
          </circle>
        ))}
        {at !== null && value !== null && (
          <g>
            <line class="hovered" x1={x(at)} x2={x(at)} y1={EDGE.top} y2={HEIGHT - EDGE.bottom} />
            <circle class="hovered-dot" cx={x(at)} cy={y(value)} r={4.5} />
          </g>
        )}
      </svg>
      <div class="row-between small">
        <span class="number" aria-hidden="true"><b>{said}</b></span>
        <span class="row tiny faint">
          <span class="key-past" /> past <span class="key-ahead" /> forecast {recalls.length > 0 && <><span class="dot" style={{ background: "var(--good)" }} /> useful recall</>}
        </span>
      </div>
    </div>
  );
}

function Falls({ of }: { of: Retention }) {
  if (of.protected) return <p class="small">It is protected: it does not fade.</p>;
  const half = daysUntil(0.5, of);
  const said = of.reaches.map((one) => ({ key: one.threshold, below: one.below, at: one.at, then: THRESHOLD_NAMES[one.threshold] ?? one.threshold }));
  if (!said.some((one) => one.below === 0.5)) said.push({ key: "half", below: 0.5, at: half === null ? null : new Date(Date.now() + half * DAY_MS).toISOString(), then: "as likely forgotten as not" });
  return (
    <ul class="falls small">
      {said.sort((a, b) => b.below - a.below).map((one) => (
        <li key={one.key}>
          {of.retrievability < one.below ? <>is below <b class="number">{one.below}</b></> : one.at ? <>falls below <b class="number">{one.below}</b> on <b>{dayOf(one.at)}</b></> : <>does not fall below <b class="number">{one.below}</b></>}
          <span class="faint"> · {one.then}</span>
        </li>
      ))}
    </ul>
  );
}

export function RetentionCard({ id }: { id: string }) {
  const read = useRead<Retention>(memoryPath(id, "/retention"));
  const [parameters, change] = useParameters();
  const [chosen, horizon] = HORIZONS.find(([name]) => name === parameters.get("horizon")) ?? (HORIZONS[1] as [string, number, string]);
  return (
    <Card
      title="How it fades"
      actions={
        <div class="row" role="group" aria-label="How far ahead">
          {HORIZONS.map(([name, , label]) => <button key={name} type="button" class="badge tag" aria-pressed={name === chosen} onClick={() => change({ horizon: name === "365" ? null : name }, { replace: true })}>{label}</button>)}
        </div>
      }
    >
      <Shown read={read} lines={8}>
        {(of) => (
          <div class="stack-s">
            <Chart of={of} horizon={horizon} />
            <div class="columns">
              <Falls of={of} />
              <Facts
                of={[
                  ["Now", <b key="now" class="number">{percent(of.retrievability, 1)}</b>],
                  ["Stability", `${of.stability_days.toFixed(1)} days until 90 %`],
                  ["Recalled", of.recall_count ? `${plural(of.recall_count, "time")}${of.last_recalled_at ? `, last ${dayOf(of.last_recalled_at)}` : ""}` : "never"],
                  ["Vector kept", of.precision_tier === "half" ? "in half precision" : of.precision_tier === "int8" ? "in 8 bits" : "as signs"],
                  ["Policy", <span key="policy">{of.policy.namespace ? `of ${of.policy.namespace}` : "as usual"} <Badge>{of.policy.curve === "power" ? "power law" : "Ebbinghaus"}</Badge></span>],
                ]}
              />
            </div>
          </div>
        )}
      </Shown>
    </Card>
  );
}
