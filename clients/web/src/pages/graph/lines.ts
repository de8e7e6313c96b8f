/** Which links a picture draws: all of a small view, of a large one each node's strongest. Tables, panels and exports have all. */

import { LARGE, type GraphEdge, type View } from "./model";

const MOST_LINES = 8_000; // more are grey on grey, and each takes its time whenever something moves
// What says that a memory is wrong or replaced is seen before what is merely alike.
const FIRST: Record<string, number> = { supersedes: 3, contradicts: 3, derived_from: 2, supports: 2 };

const FINE = 8_192; // steps of strength that are told apart
const STRONGEST = 5 * FINE;
const PLACES = 2 ** 24;

const strengthOf = (edge: GraphEdge): number => (FIRST[edge.type] ?? 0) + Math.max(0, Math.min(1, edge.weight ?? 0.5));

/** Return the places of edges, the strongest first: each as one number, since to sort numbers takes a tenth of what to sort edges does. */
function byStrength(edges: readonly GraphEdge[]): Uint32Array {
  const keys = new Float64Array(edges.length);
  edges.forEach((edge, at) => { keys[at] = (STRONGEST - Math.round(strengthOf(edge) * FINE)) * PLACES + at; });
  return Uint32Array.from(keys.sort(), (key) => key % PLACES);
}

/** Take the strongest edges of each node in turn, until there are enough. */
function strongest(view: View): GraphEdge[] {
  const { nodes, edges } = view;
  const places = new Map(nodes.map((node, at) => [node.id, at]));
  const before = new Uint32Array(nodes.length);
  const turns: number[][] = [];
  for (const at of byStrength(edges)) {
    const edge = edges[at]!;
    const [source, target] = [places.get(edge.source)!, places.get(edge.target)!];
    (turns[Math.min(before[source]!, before[target]!)] ??= []).push(at);
    before[source] = before[source]! + 1;
    before[target] = before[target]! + 1;
  }
  const taken = Uint32Array.from(turns.flat().slice(0, MOST_LINES)).sort();
  return Array.from(taken, (at) => edges[at]!);
}

const known = new WeakMap<View, readonly GraphEdge[]>();

/** Return the edges that a picture of a view draws, in the view's order. */
export function linesOf(view: View): readonly GraphEdge[] {
  if (view.nodes.length < LARGE || view.edges.length <= MOST_LINES) return view.edges;
  let lines = known.get(view);
  if (!lines) {
    lines = strongest(view);
    known.set(view, lines);
  }
  return lines;
}
