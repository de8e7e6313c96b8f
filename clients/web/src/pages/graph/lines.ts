/** Which links a picture draws: all of a small view, of a large one each node's strongest. Tables, panels and exports have all. */

import { LARGE, type GraphEdge, type View } from "./model";

const MOST_LINES = 20_000; // more are grey on grey, and each takes its time whenever something moves
// What says that a memory is wrong or replaced is seen before what is merely alike.
const FIRST: Record<string, number> = { supersedes: 3, contradicts: 3, derived_from: 2, supports: 2 };

const strengthOf = (edge: GraphEdge): number => (FIRST[edge.type] ?? 0) + (edge.weight ?? 0.5);

/** Take the strongest edges of each node in turn, until there are enough. */
function strongest(view: View): GraphEdge[] {
  const order = view.edges.map((edge, at) => ({ at, strength: strengthOf(edge) })).sort((a, b) => b.strength - a.strength || a.at - b.at);
  const before = new Map<string, number>();
  const ranks = new Uint32Array(view.edges.length);
  for (const { at } of order) {
    const edge = view.edges[at]!;
    const [source, target] = [before.get(edge.source) ?? 0, before.get(edge.target) ?? 0];
    ranks[at] = Math.min(source, target);
    before.set(edge.source, source + 1);
    before.set(edge.target, target + 1);
  }
  const taken = order.sort((a, b) => ranks[a.at]! - ranks[b.at]! || b.strength - a.strength || a.at - b.at).slice(0, MOST_LINES);
  return taken.map(({ at }) => at).sort((a, b) => a - b).map((at) => view.edges[at]!);
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
