/**
 * Where nodes lie: ForceAtlas2 from a start that only the ids decide, with a fixed number of steps, so that the same address
 * gives the same picture. What was expanded is laid out in stages, each from where the one before it ended: what a reader has
 * seen stays near its place, and a link to the expanded view replays the same stages.
 */

import type { ForceAtlas2Settings } from "graphology-layout-forceatlas2";
import iterate from "graphology-layout-forceatlas2/iterate";
import { settleMany } from "./many";

export interface LayoutRequest {
  run: number;
  ids: string[];
  /** Source, target (places in `ids`) and weight of each edge. */
  edges: Float32Array;
  /** How many nodes there are by the end of each stage. */
  stages: number[];
  /** The place of the node whose expansion brought a node; -1 for those of the beginning. */
  origins: Int32Array;
  /** Whether to tell of the way as well as of the end. */
  moving: boolean;
}

export interface LayoutAnswer {
  run: number;
  positions: Float32Array;
  done: boolean;
}

const NODE = 10; // numbers of a node in the library's matrix: x, y, …, mass at 6, convergence at 7, size at 8
const MASS = 6;
const CONVERGENCE = 7;
const SIZE = 8;
const EDGE = 3;
const BARNES_HUT_FROM = 700; // nodes; below, all pairs are quicker than the tree
const MANY_FROM = 1_000; // nodes; from there on what is far away is summed up once for all of them
const STEPS: [upTo: number, steps: number][] = [[300, 400], [MANY_FROM, 220], [3_000, 110], [Infinity, 40]];
const STEPS_OF_A_STAGE = 0.4; // an expansion starts from what has settled
const FRAMES = 12; // how often a moving layout tells where it is
const SPREAD = 12; // how far from its origin an expanded node begins

/** Return a number in [0, 1) that a text and a salt decide (FNV-1a, then mixed). */
export function unit(text: string, salt: number): number {
  let hash = 2_166_136_261 ^ salt;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 15), 2_246_822_507);
  hash = Math.imul(hash ^ (hash >>> 13), 3_266_489_909);
  return ((hash ^ (hash >>> 16)) >>> 0) / 4_294_967_296;
}

export const stepsFor = (nodes: number): number => STEPS.find(([upTo]) => nodes <= upTo)?.[1] ?? 0;

/** Put a node on a disc around a point. */
function scatter(id: string, radius: number, x: number, y: number): [number, number] {
  const angle = unit(id, 1) * 2 * Math.PI;
  const distance = Math.sqrt(unit(id, 2)) * radius;
  return [x + distance * Math.cos(angle), y + distance * Math.sin(angle)];
}

function add(sums: Float32Array, positions: Float32Array, to: number, from: number): void {
  sums[to * 3] = sums[to * 3]! + positions[from * 2]!;
  sums[to * 3 + 1] = sums[to * 3 + 1]! + positions[from * 2 + 1]!;
  sums[to * 3 + 2] = sums[to * 3 + 2]! + 1;
}

/** Pull neighbours together before the forces act: a large graph then needs far fewer steps. */
function gather(positions: Float32Array, count: number, edges: Float32Array, rounds: number): void {
  const sums = new Float32Array(count * 3);
  for (let round = 0; round < rounds; round += 1) {
    sums.fill(0);
    for (let at = 0; at < edges.length; at += EDGE) {
      add(sums, positions, edges[at]!, edges[at + 1]!);
      add(sums, positions, edges[at + 1]!, edges[at]!);
    }
    for (let node = 0; node < count; node += 1) {
      const n = sums[node * 3 + 2]!;
      if (!n) continue;
      positions[node * 2] = 0.4 * positions[node * 2]! + (0.6 * sums[node * 3]!) / n;
      positions[node * 2 + 1] = 0.4 * positions[node * 2 + 1]! + (0.6 * sums[node * 3 + 1]!) / n;
    }
  }
}

const slowDownOf = (nodes: number): number => 1 + Math.log(Math.max(2, nodes));

function settingsFor(nodes: number): Required<ForceAtlas2Settings> {
  return {
    linLogMode: false,
    outboundAttractionDistribution: false,
    adjustSizes: false,
    edgeWeightInfluence: 1,
    scalingRatio: 10,
    strongGravityMode: true,
    gravity: 0.06,
    slowDown: slowDownOf(nodes),
    barnesHutOptimize: nodes > BARNES_HUT_FROM,
    barnesHutTheta: 0.8,
  };
}

/** Lay out the first `count` nodes from where they are; tell of the way now and then. */
function settle(positions: Float32Array, count: number, edges: Float32Array, steps: number, tell: (() => void) | null): void {
  const every = Math.max(1, Math.ceil(steps / FRAMES));
  if (count > MANY_FROM) {
    settleMany(positions, count, edges, { steps, slowDown: slowDownOf(count), after: (step) => { if (step % every === 0 && step < steps) tell?.(); } });
    return;
  }
  const matrix = new Float32Array(count * NODE);
  for (let node = 0; node < count; node += 1) {
    matrix[node * NODE] = positions[node * 2]!;
    matrix[node * NODE + 1] = positions[node * 2 + 1]!;
    matrix[node * NODE + MASS] = 1;
    matrix[node * NODE + CONVERGENCE] = 1;
    matrix[node * NODE + SIZE] = 1;
  }
  const scaled = edges.slice(); // the library finds a node by its place in the matrix
  for (let at = 0; at < scaled.length; at += EDGE) {
    scaled[at] = scaled[at]! * NODE;
    scaled[at + 1] = scaled[at + 1]! * NODE;
    for (const end of [scaled[at]!, scaled[at + 1]!]) matrix[end + MASS] = matrix[end + MASS]! + scaled[at + 2]!;
  }
  const settings = settingsFor(count);
  for (let step = 1; step <= steps; step += 1) {
    iterate(settings, matrix, scaled);
    if (step % every && step < steps) continue;
    for (let node = 0; node < count; node += 1) {
      positions[node * 2] = matrix[node * NODE]!;
      positions[node * 2 + 1] = matrix[node * NODE + 1]!;
    }
    if (step < steps) tell?.();
  }
}

/**
 * Lay out a graph stage by stage.
 *
 * @param known positions of whole stages that were laid out before, and how many stages they cover.
 * @param tell is called with the positions on the way.
 */
export function layOut(request: LayoutRequest, known: { positions: Float32Array; stages: number } | null, tell: (positions: Float32Array) => void): Float32Array {
  const { ids, stages, origins, edges } = request;
  const positions = new Float32Array(ids.length * 2);
  if (known) positions.set(known.positions);
  for (let stage = known?.stages ?? 0; stage < stages.length; stage += 1) {
    const begin = stage ? stages[stage - 1]! : 0;
    const count = stages[stage]!;
    if (count === begin && stage) continue;
    const radius = 10 * Math.sqrt(count);
    for (let node = begin; node < count; node += 1) {
      const origin = origins[node]!;
      const [x, y] = origin >= 0 && origin < begin
        ? scatter(ids[node]!, SPREAD, positions[origin * 2]!, positions[origin * 2 + 1]!)
        : scatter(ids[node]!, radius, 0, 0);
      positions[node * 2] = x;
      positions[node * 2 + 1] = y;
    }
    const within = count === ids.length ? edges : inside(edges, count);
    if (!stage && count > BARNES_HUT_FROM) gather(positions, count, within, 6);
    const steps = Math.round(stepsFor(count) * (stage ? STEPS_OF_A_STAGE : 1));
    const watched = request.moving && stage === stages.length - 1;
    settle(positions, count, within, steps, watched ? () => tell(positions) : null);
  }
  return positions;
}

/** Return the edges between the first nodes. */
function inside(edges: Float32Array, count: number): Float32Array {
  const kept: number[] = [];
  for (let at = 0; at < edges.length; at += EDGE)
    if (edges[at]! < count && edges[at + 1]! < count) kept.push(edges[at]!, edges[at + 1]!, edges[at + 2]!);
  return Float32Array.from(kept);
}
