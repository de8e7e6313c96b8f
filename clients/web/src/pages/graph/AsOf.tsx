/** The graph as of another time: what was true then, and what was known then. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { useRead } from "../../data/fetching";
import { dayOf, fullTime } from "../../ui/format";
import { Button } from "../../ui/parts";
import type { Timeline } from "../timeline/model";
import type { GraphNode } from "./model";

interface Props {
  namespace: string;
  nodes: readonly GraphNode[];
  valid: string | null;
  known: string | null;
  onChange: (changes: { valid?: string | null; known?: string | null }) => void;
}

type Axis = "valid" | "known";
const STEPS = 240;
const BARS = 60;
const DAY = 86_400_000;

function useSpan(namespace: string, axis: Axis, nodes: readonly GraphNode[]): { from: number; to: number; bars: number[] } {
  const read = useRead<Timeline>("/v1/timeline", { namespace, axis, bucket: "auto", limit: 1 }, { shouldRetryOnError: false, revalidateOnFocus: false });
  return useMemo(() => {
    const now = Date.now();
    const buckets = (read.data?.buckets ?? []).map((bucket) => ({ at: Date.parse(bucket.start), count: bucket.count }));
    const times = buckets.length ? buckets.map((bucket) => bucket.at) : nodes.map((node) => Date.parse(node.known_from ?? "")).filter(Number.isFinite);
    let from = now - DAY;
    let to = now;
    for (const at of times) {
      from = Math.min(from, at - DAY);
      to = Math.max(to, at + DAY);
    }
    const bars = new Array<number>(BARS).fill(0);
    for (const bucket of buckets) {
      const place = Math.min(BARS - 1, Math.floor(((bucket.at - from) / (to - from)) * BARS));
      bars[place] = bars[place]! + bucket.count;
    }
    return { from, to, bars };
  }, [read.data, nodes, axis]);
}

function Slider({ axis, name, hint, at, namespace, nodes, onChange }: { axis: Axis; name: string; hint: string; at: string | null; namespace: string; nodes: readonly GraphNode[]; onChange: (at: string | null) => void }) {
  const { from, to, bars } = useSpan(namespace, axis, nodes);
  const placeOf = (time: string | null) => (time === null ? STEPS : Math.max(0, Math.min(STEPS, Math.round(((Date.parse(time) - from) / (to - from)) * STEPS))));
  const [place, setPlace] = useState(placeOf(at));
  useEffect(() => setPlace(placeOf(at)), [at, from, to]);
  const momentAt = (step: number): string | null => (step >= STEPS ? null : new Date(from + ((to - from) * step) / STEPS).toISOString());
  const said = place === STEPS ? (axis === "valid" ? "whenever" : "now") : place === placeOf(at) && at ? fullTime(at) : fullTime(momentAt(place) ?? new Date());
  const tallest = Math.max(1, ...bars);
  const id = `as-of-${axis}`;
  return (
    <div class="as-of">
      <div class="row-between">
        <label for={id}><strong>{name}</strong> <span class="small quiet">{hint}</span></label>
        <output class="small number" for={id}>{said}</output>
      </div>
      <svg class="as-of-bars" viewBox={`0 0 ${BARS} 20`} preserveAspectRatio="none" aria-hidden="true">
        {bars.map((bar, n) => bar > 0 && <rect key={n} x={n + 0.1} width="0.8" y={20 - 2 - (18 * bar) / tallest} height={2 + (18 * bar) / tallest} opacity={n / BARS <= place / STEPS ? 1 : 0.3} />)}
      </svg>
      <input
        id={id}
        type="range"
        min={0}
        max={STEPS}
        value={place}
        aria-valuetext={said}
        onInput={(event) => setPlace(Number(event.currentTarget.value))}
        onChange={(event) => onChange(momentAt(Number(event.currentTarget.value)))}
      />
      <div class="row-between tiny faint"><span>{dayOf(new Date(from))}</span><span>{axis === "valid" ? "whenever" : "now"}</span></div>
    </div>
  );
}

export function AsOf({ namespace, nodes, valid, known, onChange }: Props) {
  return (
    <section class="graph-as-of" aria-label="As of another time">
      <Slider axis="valid" name="True then" hint="what held at this moment" at={valid} namespace={namespace} nodes={nodes} onChange={(at) => onChange({ valid: at })} />
      <Slider axis="known" name="Known then" hint="what had been learned by this moment" at={known} namespace={namespace} nodes={nodes} onChange={(at) => onChange({ known: at })} />
      <Button small icon="restore" disabled={!valid && !known} onClick={() => onChange({ valid: null, known: null })}>Back to now</Button>
    </section>
  );
}
