/** Positions of a view's nodes, laid out by a worker. */

import { useEffect, useRef, useState } from "preact/hooks";
import { startWorker } from "../../data/trusted";
import type { LayoutAnswer, LayoutRequest } from "./layout";
import { linesOf } from "./lines";
import workerUrl from "./layout.worker?worker&url";
import type { View } from "./model";

export interface Positions {
  /** The view whose nodes these are, in its order: x and y of each. */
  view: View;
  at: Float32Array;
  done: boolean;
}

const STILL_FROM = 1_500; // nodes; moving more of them costs the page more than the reader gains

const WEIGHTS: Record<string, number> = { part_of: 0.7, mentions: 0.8, supersedes: 2, derived_from: 1.4, contradicts: 1.2 };

function requestOf(view: View, run: number, moving: boolean): LayoutRequest {
  const places = new Map(view.nodes.map((node, at) => [node.id, at]));
  const lines = linesOf(view);
  const edges = new Float32Array(lines.length * 3);
  lines.forEach((edge, at) => {
    edges[at * 3] = places.get(edge.source) ?? 0;
    edges[at * 3 + 1] = places.get(edge.target) ?? 0;
    edges[at * 3 + 2] = WEIGHTS[edge.type] ?? Math.max(0.2, edge.weight ?? 1);
  });
  const origins = Int32Array.from(view.origins, (id) => (id === null ? -1 : (places.get(id) ?? -1)));
  return { run, ids: view.nodes.map((node) => node.id), edges, stages: view.stages, origins, moving };
}

/** Lay a view out; null until the first positions have come. */
export function useLayout(view: View | null, still: boolean): Positions | null {
  const [positions, setPositions] = useState<Positions | null>(null);
  const worker = useRef<Worker | null>(null);
  const busy = useRef(false);
  const run = useRef(0);
  useEffect(() => {
    worker.current ??= startWorker(workerUrl); // It is there by the time the view is.
    return () => {
      worker.current?.terminate();
      worker.current = null;
    };
  }, []);
  useEffect(() => {
    if (!view || !view.nodes.length) return;
    // A worker that is still at it would answer for a view nobody sees any more.
    if (busy.current) {
      worker.current?.terminate();
      worker.current = null;
    }
    worker.current ??= startWorker(workerUrl);
    busy.current = true;
    const mine = ++run.current;
    worker.current.onmessage = ({ data }: MessageEvent<LayoutAnswer>) => {
      if (data.run !== mine) return;
      busy.current = !data.done;
      setPositions({ view, at: data.positions, done: data.done });
    };
    worker.current.postMessage(requestOf(view, mine, !still && view.nodes.length < STILL_FROM));
  }, [view, still]);
  return positions;
}
