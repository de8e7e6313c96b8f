/** The plane of the two times: across, when something was true; up, when it was learned. Dragging marks out a part of it. */

import { scaleTime } from "d3-scale";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { fullTime } from "../../ui/format";
import { knownOf, trueOf, type Moment } from "./model";

export interface Window {
  from: string | null;
  to: string | null;
  learnedFrom: string | null;
  learnedTo: string | null;
}

interface Props {
  moments: readonly Moment[];
  chosen: string | null;
  onChoose: (id: string) => void;
  onMark: (window: Window) => void;
}

const HEIGHT = 300;
const LEFT = 64;
const PER_TICK = 105; // pixels across that a tick and its words need
const BOTTOM = 26;
const TOP = 10;
const RIGHT = 14;
const LEAST_DRAG = 6;

function span(times: number[]): [Date, Date] {
  let [from, to] = [Infinity, -Infinity];
  for (const time of times) {
    from = Math.min(from, time);
    to = Math.max(to, time);
  }
  const margin = Math.max(3_600_000, (to - from) * 0.04);
  return [new Date(from - margin), new Date(to + margin)];
}

const DAY = 86_400_000;
const HOURS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAYS = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const MONTHS = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });

/** Return how ticks of a span are written: hours, days or months. */
function tickFormat([from, to]: [Date, Date]): (at: Date) => string {
  const days = (to.getTime() - from.getTime()) / DAY;
  const format = days < 2 ? HOURS : days < 120 ? DAYS : MONTHS;
  return (at) => format.format(at);
}

export function Plane({ moments, chosen, onChoose, onMark }: Props) {
  const figure = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(600);
  useLayoutEffect(() => {
    const element = figure.current;
    if (!element) return undefined;
    const measure = () => setWidth(Math.max(240, element.clientWidth));
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  const [drag, setDrag] = useState<{ x0: number; y0: number; x1: number; y1: number } | null>(null);
  const { x, y, points } = useMemo(() => {
    const held = moments.map((moment) => Date.parse(trueOf(moment)));
    const learned = moments.map((moment) => Date.parse(knownOf(moment)));
    const across = scaleTime(span(held), [LEFT, width - RIGHT]);
    const up = scaleTime(span(learned), [HEIGHT - BOTTOM, TOP]);
    return { x: across, y: up, points: moments.map((moment, at) => ({ moment, cx: across(held[at]!), cy: up(learned[at]!) })) };
  }, [moments, width]);
  const spotOf = (event: JSX.TargetedPointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * HEIGHT };
  };
  const finish = () => {
    if (!drag) return;
    setDrag(null);
    if (Math.abs(drag.x1 - drag.x0) < LEAST_DRAG && Math.abs(drag.y1 - drag.y0) < LEAST_DRAG) return;
    const said = (scale: typeof x, a: number, b: number): [string, string] => {
      const [low, high] = [scale.invert(a), scale.invert(b)].sort((one, two) => one.getTime() - two.getTime()) as [Date, Date];
      return [low.toISOString(), high.toISOString()];
    };
    const [from, to] = said(x, drag.x0, drag.x1);
    const [learnedFrom, learnedTo] = said(y, drag.y0, drag.y1);
    onMark({ from, to, learnedFrom, learnedTo });
  };
  const format = tickFormat(x.domain() as [Date, Date]);
  const formatUp = tickFormat(y.domain() as [Date, Date]);
  return (
    <figure ref={figure} class="plane">
      <svg
        width={width}
        height={HEIGHT}
        viewBox={`0 0 ${width} ${HEIGHT}`}
        role="img"
        aria-label={`${moments.length} memories by when they were true and when they were learned; the list below has the same`}
        onPointerDown={(event) => {
          const at = spotOf(event);
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ x0: at.x, y0: at.y, x1: at.x, y1: at.y });
        }}
        onPointerMove={(event) => {
          const at = spotOf(event);
          setDrag((before) => before && { ...before, x1: at.x, y1: at.y });
        }}
        onPointerUp={(event) => {
          const at = spotOf(event);
          const near = points.map((point) => ({ point, away: Math.hypot(point.cx - at.x, point.cy - at.y) })).sort((a, b) => a.away - b.away)[0];
          if (near && near.away < 10 && drag && Math.abs(drag.x1 - drag.x0) < LEAST_DRAG && Math.abs(drag.y1 - drag.y0) < LEAST_DRAG) onChoose(near.point.moment.id);
          finish();
        }}
        onPointerCancel={() => setDrag(null)}
      >
        {x.ticks(Math.max(2, Math.floor((width - LEFT) / PER_TICK))).map((tick) => (
          <g key={tick.getTime()} class="tick">
            <line x1={x(tick)} x2={x(tick)} y1={TOP} y2={HEIGHT - BOTTOM} />
            <text x={x(tick)} y={HEIGHT - 9} text-anchor="middle">{format(tick)}</text>
          </g>
        ))}
        {y.ticks(5).map((tick) => (
          <g key={tick.getTime()} class="tick">
            <line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 8} y={y(tick) + 4} text-anchor="end">{formatUp(tick)}</text>
          </g>
        ))}
        {points.map(({ moment, cx, cy }) => (
          <circle key={moment.id} cx={cx} cy={cy} r={moment.id === chosen ? 7 : 4} class={moment.superseded_by ? "point point-old" : "point"} data-chosen={moment.id === chosen}>
            <title>{`${moment.label}\nTrue: ${fullTime(trueOf(moment))}\nLearned: ${fullTime(knownOf(moment))}`}</title>
          </circle>
        ))}
        {drag && <rect class="marking" x={Math.min(drag.x0, drag.x1)} y={Math.min(drag.y0, drag.y1)} width={Math.abs(drag.x1 - drag.x0)} height={Math.abs(drag.y1 - drag.y0)} />}
      </svg>
      <figcaption class="row-between small quiet">
        <span>→ when it was true&nbsp;&nbsp; ↑ when it was learned</span>
        <span class="row"><i class="dot" style={{ "--dot": "var(--node-memory)" }} /> holds <i class="dot" style={{ "--dot": "var(--bad)" }} /> superseded</span>
      </figcaption>
    </figure>
  );
}
