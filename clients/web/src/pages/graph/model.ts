/** What a view of the graph is made of: the answer it began with, and the answers of what was expanded, in that order. */

import type { Schema } from "../../data/types";

export type Kind = Schema<"NodeOut">["kind"];

/** A node as the service tells it; what only memories have is null or absent for the other kinds. */
export interface GraphNode {
  id: string;
  kind: Kind;
  label: string;
  namespace: string;
  degree?: number | null;
  memory_type?: string | null;
  state?: string | null;
  source_kind?: string | null;
  trust?: number | null;
  confidence?: number | null;
  importance?: number | null;
  pinned?: boolean | null;
  retrievability?: number | null;
  observed_at?: string | null;
  valid_from?: string | null;
  valid_to?: string | null;
  known_from?: string | null;
  superseded_by?: string | null;
}

export interface GraphEdge {
  source: string;
  target: string;
  type: string;
  weight: number | null;
  known_from?: string | null;
  known_to?: string | null;
}

export interface GraphAnswer {
  nodes: GraphNode[];
  edges: GraphEdge[];
  truncated: boolean;
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

export const edgeKey = (edge: GraphEdge): string => `${edge.source} ${edge.target} ${edge.type}`;

/** Join a beginning and its expansions; what is there already keeps its place. */
export function viewOf(beginning: GraphAnswer, opened: { id: string; answer: GraphAnswer }[]): View {
  const nodes: GraphNode[] = [];
  const origins: (string | null)[] = [];
  const stages: number[] = [];
  const byId = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  const add = (answer: GraphAnswer, origin: string | null) => {
    for (const node of answer.nodes) {
      if (byId.has(node.id)) continue;
      byId.set(node.id, node);
      nodes.push(node);
      origins.push(origin);
    }
    for (const edge of answer.edges)
      if (byId.has(edge.source) && byId.has(edge.target)) edges.set(edgeKey(edge), edge);
    stages.push(nodes.length);
  };
  add(beginning, null);
  for (const one of opened) if (byId.has(one.id)) add(one.answer, one.id);
  return { nodes, edges: [...edges.values()], byId, stages, origins, truncated: beginning.truncated };
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
export const trustOf = (node: GraphNode): number | null => (node.kind === "memory" ? (node.trust ?? node.confidence ?? null) : null);
