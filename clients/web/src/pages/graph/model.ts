/** What a view of the graph is made of: the answer it began with, and the answers of what was expanded, in that order. */

import type { Schema } from "../../data/types";

export type Kind = Schema<"NodeOut">["kind"];

/** A node as a picture tells of it; what only memories have is null for the other kinds. */
export interface GraphNode {
  id: string;
  kind: Kind;
  label: string;
  namespace: string;
  degree?: number | null;
  state?: string | null;
  trust?: number | null;
  importance?: number | null;
  pinned?: boolean | null;
  retrievability?: number | null;
  known_from?: string | null;
  superseded_by?: string | null;
}

export interface GraphEdge {
  source: string;
  target: string;
  type: string;
  weight: number | null;
}

export interface GraphAnswer {
  nodes: GraphNode[];
  edges: GraphEdge[];
  truncated: boolean;
}

/** A view by columns, as the service tells of it. */
export type Picture = Schema<"PictureOut">;

/** Return the rows of a view that came by columns; edges come in the order of their ends, and each once. */
export function rowsOf({ nodes: { id, ...of }, edges: lines, truncated }: Picture): GraphAnswer {
  const nodes = id.map((one, at) => ({
    id: one,
    kind: of.kind[at]!,
    label: of.label[at]!,
    namespace: of.namespace[at]!,
    degree: of.degree[at],
    state: of.state[at],
    trust: of.trust[at],
    importance: of.importance[at],
    pinned: of.pinned[at],
    retrievability: of.retrievability[at],
    known_from: of.known_from[at],
    superseded_by: of.superseded_by[at],
  }));
  const edges: GraphEdge[] = [];
  const { source, target, type, weight } = lines;
  for (let at = 0; at < source.length; at += 1) {
    if (at && source[at] === source[at - 1] && target[at] === target[at - 1] && type[at] === type[at - 1]) continue;
    edges.push({ source: id[source[at]!]!, target: id[target[at]!]!, type: type[at]!, weight: weight[at] ?? null });
  }
  return { nodes, edges, truncated };
}

export interface View {
  nodes: GraphNode[];
  edges: GraphEdge[];
  byId: Map<string, GraphNode>;
  /** How many nodes there are after the beginning and after each expansion. */
  stages: number[];
  /** Which expansion brought a node; null for the beginning. */
  origins: (string | null)[];
  truncated: boolean;
}

/** Nodes from which on a view does less at once: edges wait while the reader moves. */
export const LARGE = 2_000;

const MOST_NODES = 10_000; // between which the service looks for edges

export const edgeKey = (edge: GraphEdge): string => `${edge.source} ${edge.target} ${edge.type}`;

/** A view of nothing but its beginning, which may be large: what the service says has each node and edge once. */
const begun = ({ nodes, edges, truncated }: GraphAnswer): View => ({
  nodes,
  edges,
  byId: new Map(nodes.map((node) => [node.id, node])),
  stages: [nodes.length],
  origins: nodes.map(() => null),
  truncated,
});

/** Join a beginning and its expansions; what is there already keeps its place. `across` are edges between what they brought. */
export function viewOf(beginning: GraphAnswer, opened: readonly Opened[], across: readonly GraphEdge[]): View {
  if (!opened.length && !across.length) return begun(beginning);
  const nodes: GraphNode[] = [];
  const origins: (string | null)[] = [];
  const stages: number[] = [];
  const byId = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  const join = (some: readonly GraphEdge[]) => {
    for (const edge of some) if (byId.has(edge.source) && byId.has(edge.target)) edges.set(edgeKey(edge), edge);
  };
  const add = (answer: GraphAnswer, origin: string | null) => {
    for (const node of answer.nodes) {
      if (byId.has(node.id)) continue;
      byId.set(node.id, node);
      nodes.push(node);
      origins.push(origin);
    }
    join(answer.edges);
    stages.push(nodes.length);
  };
  add(beginning, null);
  for (const one of opened) if (byId.has(one.id)) add(one.answer, one.id);
  join(across);
  const ordered = [...edges];
  // In one order, whichever answer told of an edge first: a layout is the same only from the same sums.
  if (opened.length) ordered.sort(([a], [b]) => (a < b ? -1 : 1));
  return { nodes, edges: ordered.map(([, edge]) => edge), byId, stages, origins, truncated: beginning.truncated };
}

export interface Opened {
  id: string;
  answer: GraphAnswer;
}

/** Return the ids of all that is shown, and of what expansions brought. */
export function joined(beginning: GraphAnswer, opened: readonly Opened[]): { all: string[]; fresh: string[] } {
  const known = new Set(beginning.nodes.map((node) => node.id));
  const before = known.size;
  for (const one of opened) if (known.has(one.id)) for (const node of one.answer.nodes) known.add(node.id);
  const all = [...known].slice(0, MOST_NODES);
  return { all, fresh: all.slice(before) };
}

export interface Filter {
  kinds: ReadonlySet<string>;
  types: ReadonlySet<string>;
  hidden: ReadonlySet<string>;
}

/** Return whether a node is shown; a filter names what is not. */
export const showsNode = (filter: Filter, node: GraphNode): boolean => !filter.kinds.has(node.kind) && !filter.hidden.has(node.id);

/** Return whether an edge is shown between nodes that are. */
export const showsEdge = (filter: Filter, edge: GraphEdge, view: View): boolean => {
  const source = view.byId.get(edge.source);
  const target = view.byId.get(edge.target);
  return !filter.types.has(edge.type) && source !== undefined && target !== undefined && showsNode(filter, source) && showsNode(filter, target);
};

/** Count how often each value of a key occurs. */
export function tally<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

export interface Neighbour {
  node: GraphNode;
  edge: GraphEdge;
  /** Whether the edge goes from the node that was asked about. */
  out: boolean;
}

/** Return what stands beside a node in a view. */
export function neighboursOf(view: View, id: string): Neighbour[] {
  const found: Neighbour[] = [];
  for (const edge of view.edges) {
    const other = edge.source === id ? edge.target : edge.target === id ? edge.source : null;
    const node = other === null ? undefined : view.byId.get(other);
    if (node) found.push({ node, edge, out: edge.source === id });
  }
  return found;
}

/** Count the edges of every node of a view. */
export function degreesOf(view: View): Map<string, number> {
  const counts = new Map<string, number>();
  for (const edge of view.edges) for (const id of [edge.source, edge.target]) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/** How likely a memory is to be recalled now; other kinds have no heat. */
export const heatOf = (node: GraphNode): number | null => (node.kind === "memory" ? (node.retrievability ?? node.importance ?? null) : null);

/** How far a memory is to be trusted. */
export const trustOf = (node: GraphNode): number | null => (node.kind === "memory" ? (node.trust ?? null) : null);
