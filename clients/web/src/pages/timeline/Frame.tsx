/** The frame of the plane of the two times: across, when something was true; up, when it was learned. Dragging marks out a part. */

import { scaleTime, type ScaleTime } from "d3-scale";
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

export interface Window {
  from: string | null;
  to: string | null;
  learnedFrom: string | null;
  learnedTo: string | null;
}

export type Scale = ScaleTime<number, number>;
export type Stretch = [Date, Date];

interface Props {
  held: Stretch;
  learned: Stretch;
  label: string;
  legend: ComponentChildren;
  /** What stands in it, and what a tap means. */
  children: (x: Scale, y: Scale) => ComponentChildren;
  onTap: (at: { x: number; y: number }, x: Scale, y: Scale) => void;
  onMark: (window: Window) => void;
}

const HEIGHT = 300;
const LEFT = 64;
const PER_TICK = 105; // pixels across that a tick and its words need
const BOTTOM = 26;
const TOP = 10;
const RIGHT = 14;
const LEAST_DRAG = 6;

const DAY = 86_400_000;
const HOURS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAYS = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const MONTHS = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });

/** Return how ticks of a span are written: hours, days or months. */
function tickFormat([from, to]: Stretch): (at: Date) => string {
  const days = (to.getTime() - from.getTime()) / DAY;
  const format = days < 2 ? HOURS : days < 120 ? DAYS : MONTHS;
  return (at) => format.format(at);
}

export function Frame({ held, learned, label, legend, children, onTap, onMark }: Props) {
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
  const { x, y } = useMemo(() => ({ x: scaleTime(held, [LEFT, width - RIGHT]), y: scaleTime(learned, [HEIGHT - BOTTOM, TOP]) }), [held, learned, width]);
  const spotOf = (event: JSX.TargetedPointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * HEIGHT };
  };
  const finish = () => {
    if (!drag) return;
    setDrag(null);
    if (Math.abs(drag.x1 - drag.x0) < LEAST_DRAG && Math.abs(drag.y1 - drag.y0) < LEAST_DRAG) {
      onTap({ x: drag.x1, y: drag.y1 }, x, y);
      return;
    }
    const said = (scale: typeof x, a: number, b: number): [string, string] => {
      const [low, high] = [scale.invert(a), scale.invert(b)].sort((one, two) => one.getTime() - two.getTime()) as [Date, Date];
      return [low.toISOString(), high.toISOString()];
    };
    const [from, to] = said(x, drag.x0, drag.x1);
    const [learnedFrom, learnedTo] = said(y, drag.y0, drag.y1);
    onMark({ from, to, learnedFrom, learnedTo });
  };
  const format = tickFormat(x.domain() as Stretch);
  const formatUp = tickFormat(y.domain() as Stretch);
  return (
    <figure ref={figure} class="plane">
      <svg
        width={width}
        height={HEIGHT}
        viewBox={`0 0 ${width} ${HEIGHT}`}
        role="img"
        aria-label={label}
        onPointerDown={(event) => {
          const at = spotOf(event);
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ x0: at.x, y0: at.y, x1: at.x, y1: at.y });
        }}
        onPointerMove={(event) => {
          const at = spotOf(event);
          setDrag((before) => before && { ...before, x1: at.x, y1: at.y });
        }}
        onPointerUp={finish}
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
        {children(x, y)}
        {drag && <rect class="marking" x={Math.min(drag.x0, drag.x1)} y={Math.min(drag.y0, drag.y1)} width={Math.abs(drag.x1 - drag.x0)} height={Math.abs(drag.y1 - drag.y0)} />}
      </svg>
      <figcaption class="row-between small quiet">
        <span>→ when it was true&nbsp;&nbsp; ↑ when it was learned</span>
        <span class="row">{legend}</span>
      </figcaption>
    </figure>
  );
}
