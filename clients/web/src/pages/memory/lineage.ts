/** Where the nodes of a provenance graph stand: what a memory came from to its left, what came of it to its right. Pure. */

import type { Schema } from "../../data/types";

export interface LineageNode {
  id: string;
  kind: "memory" | "source";
  version?: number;
  state?: string;
  method?: string;
  source?: Schema<"Source">;
}

/** Points from what is derived to what it came from. */
export interface LineageEdge {
  from: string;
  to: string;
  type: string;
}

export interface Lineage {
  memory_id: string;
  nodes: LineageNode[];
  edges: LineageEdge[];
  truncated: boolean;
}

export interface Placed extends LineageNode {
  column: number;
  row: number;
}

/** Return the nodes in columns (0 is leftmost) and rows, those of one memory beside each other. */
export function placed({ nodes, edges, memory_id: centre }: Lineage): { nodes: Placed[]; columns: number; rows: number } {
  const origins = new Map<string, string[]>();
  for (const { from, to } of edges) origins.set(from, [...(origins.get(from) ?? []), to]);
  const depth = new Map<string, number>();
  const walk = (id: string, path: ReadonlySet<string>): number => {
    const known = depth.get(id);
    if (known !== undefined) return known;
    const next = new Set(path).add(id);
    const deep = 1 + Math.max(-1, ...(origins.get(id) ?? []).filter((one) => !next.has(one)).map((one) => walk(one, next)));
    depth.set(id, deep);
    return deep;
  };
  for (const node of nodes) walk(node.id, new Set());
  // A source stands right before the memory that it was of, not in the leftmost column.
  for (const { from, to, type } of edges) if (type === "comes_from") depth.set(to, (depth.get(from) ?? 1) - 1);
  const columns = new Map<number, LineageNode[]>();
  for (const node of nodes) columns.set(depth.get(node.id) ?? 0, [...(columns.get(depth.get(node.id) ?? 0) ?? []), node]);
  const used = [...columns.keys()].sort((a, b) => a - b);
  const out: Placed[] = [];
  used.forEach((key, column) => {
    const ordered = (columns.get(key) ?? []).sort((a, b) => Number(b.id === centre) - Number(a.id === centre) || Number(b.kind === "memory") - Number(a.kind === "memory"));
    ordered.forEach((node, row) => out.push({ ...node, column, row }));
  });
  return { nodes: out, columns: used.length, rows: Math.max(0, ...[...columns.values()].map((one) => one.length)) };
}
