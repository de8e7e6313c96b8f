/** How nodes and edges look: one table for the canvas, the legend, the table and the exports. */

import { heatOf, trustOf, type GraphEdge, type GraphNode, type Kind } from "./model";

export type Shape = "circle" | "diamond" | "square" | "triangle" | "pill";

export const KINDS: Record<Kind, { name: string; many: string; shape: Shape; colour: string }> = {
  memory: { name: "Memory", many: "Memories", shape: "circle", colour: "--node-memory" },
  entity: { name: "Entity", many: "Entities", shape: "diamond", colour: "--node-entity" },
  episode: { name: "Episode", many: "Episodes", shape: "pill", colour: "--node-episode" },
  topic: { name: "Topic", many: "Topics", shape: "triangle", colour: "--node-topic" },
  community: { name: "Community", many: "Communities", shape: "square", colour: "--node-community" },
};

export interface EdgeLook {
  name: string;
  /** How it reads from the target's side. */
  back: string;
  colour: string;
  width: number;
  /** Dash and gap in pixels; none is a plain line. */
  dash: [number, number] | null;
  arrow: boolean;
}

const EDGES: Record<string, EdgeLook> = {
  mentions: { name: "mentions", back: "mentioned by", colour: "--node-entity", width: 0.9, dash: null, arrow: false },
  part_of: { name: "part of", back: "contains", colour: "--node-topic", width: 0.8, dash: [2, 3], arrow: false },
  similar: { name: "similar", back: "similar", colour: "--text-3", width: 1.2, dash: null, arrow: false },
  same_entity: { name: "same entity", back: "same entity", colour: "--keyword", width: 1.2, dash: [6, 3], arrow: false },
  next: { name: "next", back: "follows", colour: "--temporal", width: 1.4, dash: null, arrow: true },
  derived_from: { name: "derived from", back: "source of", colour: "--hopfield", width: 1.4, dash: [8, 4], arrow: true },
  supports: { name: "supports", back: "supported by", colour: "--good", width: 1.8, dash: null, arrow: true },
  contradicts: { name: "contradicts", back: "contradicted by", colour: "--bad", width: 2.4, dash: [4, 2], arrow: true },
  supersedes: { name: "supersedes", back: "superseded by", colour: "--accent", width: 2.6, dash: null, arrow: true },
  co_recalled: { name: "recalled together", back: "recalled together", colour: "--hopfield", width: 1.2, dash: [2, 4], arrow: false },
};

/** Return how a type of edge looks; a type this view does not know is a grey line under its own name. */
export const edgeLook = (type: string): EdgeLook =>
  EDGES[type] ?? { name: type.replaceAll("_", " "), back: type.replaceAll("_", " "), colour: "--text-3", width: 1, dash: null, arrow: false };

/** How far two links of the same two nodes bend apart, as a share of their length. */
export const SPREAD = 0.24;

export const EDGE_TYPES = Object.keys(EDGES);

/** Colours of the theme that is shown, by the name of their token. */
export type Palette = (token: string) => string;

const STATES: Record<string, { name: string; colour: string }> = {
  pinned: { name: "pinned", colour: "--warn" },
  superseded: { name: "superseded", colour: "--bad" },
  generated: { name: "not yet consolidated", colour: "--info" },
  merged: { name: "merged", colour: "--text-3" },
  archived: { name: "archived", colour: "--text-3" },
  expired: { name: "expired", colour: "--text-3" },
  frozen: { name: "frozen", colour: "--temporal" },
};
export const RINGS = ["pinned", "superseded", "generated", "merged", "archived", "expired", "frozen"].map((key) => ({ key, ...(STATES[key] as { name: string; colour: string }) }));

/** Return what a memory's ring says, the gravest first; null for a memory in use. */
export function ringOf(node: GraphNode): { key: string; name: string; colour: string } | null {
  if (node.kind !== "memory") return null;
  const key = node.superseded_by ? "superseded" : node.pinned ? "pinned" : (node.state ?? "activated");
  const state = STATES[key];
  return state ? { key, ...state } : null;
}

/** Return the words for a memory's state. */
export const stateOf = (node: GraphNode): string => (node.kind === "memory" ? (ringOf(node)?.name ?? (node.state ? "in use" : "")) : "");

/** The radius of a node in pixels: heat for memories, the number of its edges for what holds them together. */
export function radiusOf(node: GraphNode): number {
  if (node.kind === "memory") return 3 + 4 * (heatOf(node) ?? 0.5);
  return Math.min(13, 4.5 + 1.2 * Math.log2(1 + (node.degree ?? 0)));
}

/** How firmly a node is drawn: trust for memories. */
export const opacityOf = (node: GraphNode): number => 0.3 + 0.7 * (trustOf(node) ?? 1);

export const widthOf = (edge: GraphEdge): number => edgeLook(edge.type).width * (0.7 + 0.6 * Math.min(1, edge.weight ?? 0.5));

/** The beginning of a label: what fits beside a node. */
export function shortLabel(node: GraphNode, most = 34): string {
  const text = node.label.trim() || `${KINDS[node.kind].name} without a gist`;
  return text.length <= most ? text : `${text.slice(0, most).replace(/\s+\S*$/, "")}…`;
}
