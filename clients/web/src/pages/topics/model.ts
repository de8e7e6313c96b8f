/** Topics as a tree: the service lists them flat, each with the one above it. */

import type { Schema } from "../../data/types";

export type Topic = Schema<"TopicOut">;

export const OPEN_UP_TO = 40; // topics; a larger tree begins closed, and is read as it is opened

export interface Branch {
  topic: Topic;
  below: Branch[];
}

/** Put topics below their parents, the largest first; one whose parent is not among them stands at the top. */
export function treeOf(topics: readonly Topic[]): Branch[] {
  const branches = new Map(topics.map((topic) => [topic.id, { topic, below: [] as Branch[] }]));
  const roots: Branch[] = [];
  for (const branch of branches.values()) (branches.get(branch.topic.parent_id ?? "")?.below ?? roots).push(branch);
  const order = (list: Branch[]) => {
    list.sort((a, b) => b.topic.size - a.topic.size || (a.topic.id < b.topic.id ? -1 : 1));
    for (const branch of list) order(branch.below);
  };
  order(roots);
  return roots;
}

/** What a topic, episode or community is called: its keywords, else the beginning of its gist. */
export function nameOf(gist: Schema<"GistOut"> | null, otherwise: string): string {
  if (gist?.keywords.length) return gist.keywords.slice(0, 4).join(" · ");
  const text = gist?.text.trim() ?? "";
  return text ? (text.length > 60 ? `${text.slice(0, 60).replace(/\s+\S*$/, "")}…` : text) : otherwise;
}

/** Say how many memories there are. */
export const sizeOf = (size: number): string => `${size.toLocaleString("en")} ${size === 1 ? "memory" : "memories"}`;
