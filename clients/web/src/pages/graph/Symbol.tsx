/** The shape of a kind and the stroke of a link type, as legend and table show them. */

import { edgeLook, KINDS } from "./look";
import type { Kind } from "./model";
import { cornersOf } from "./scene";

export function KindSymbol({ kind, size = 16 }: { kind: Kind; size?: number }) {
  const { shape, colour } = KINDS[kind];
  return (
    <svg class="symbol" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      {shape === "circle" ? <circle cx="8" cy="8" r="6" style={{ fill: `var(${colour})` }} /> : <polygon points={cornersOf(shape, 8, shape === "triangle" ? 9.5 : 8, 7.5).map((point) => point.join(",")).join(" ")} style={{ fill: `var(${colour})` }} />}
    </svg>
  );
}

export function RingSymbol({ colour }: { colour: string }) {
  return (
    <svg class="symbol" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="5.5" style={{ fill: "var(--node-memory)", stroke: `var(${colour})` }} stroke-width="2.5" />
    </svg>
  );
}

export function LineSymbol({ type }: { type: string }) {
  const look = edgeLook(type);
  return (
    <svg class="symbol" width="30" height="12" viewBox="0 0 30 12" aria-hidden="true">
      <line x1="1" y1="6" x2={look.arrow ? 23 : 29} y2="6" style={{ stroke: `var(${look.colour})` }} stroke-width={look.width + 0.4} stroke-dasharray={look.dash?.join(" ")} />
      {look.arrow && <polygon points="22,2 29,6 22,10" style={{ fill: `var(${look.colour})` }} />}
    </svg>
  );
}
