/** What of the address selects memories, and the filter that it means. */

import type { Filter, Order } from "../../data/memories";

export const STATES = ["live", "generated", "activated", "frozen", "merged", "archived", "expired", "any"] as const;
export const TYPES = ["working", "episodic", "semantic", "procedural", "core"] as const;
/** Every parameter of this page; the namespace is everybody's. */
export const NAMES = ["text", "state", "type", "user", "agent", "session", "tag", "pinned", "doubtful", "superseded", "order"] as const;

/** The orders that a person may choose; the first needs no word in the address. */
export const ORDERS: readonly (readonly [Order, string])[] = [
  ["newest", "stored last"],
  ["oldest", "stored first"],
  ["latest_observed", "observed last"],
  ["earliest_observed", "observed first"],
  ["latest_updated", "changed last"],
  ["most_important", "most important"],
];

/** Return the order that the address names; one that nobody knows is the first. */
export const orderOf = (parameters: URLSearchParams): Order => ORDERS.find(([name]) => name === parameters.get("order"))?.[0] ?? "newest";

const listed = (text: string) => text.split(",").map((one) => one.trim()).filter(Boolean);

/** Return the filter of `POST /v1/memories/query`; several conditions must all hold. */
export function filterOf(parameters: URLSearchParams): Filter {
  const said = (name: (typeof NAMES)[number]) => parameters.get(name)?.trim() ?? "";
  const all: Filter[] = [];
  const text = said("text");
  if (text) all.push({ OR: ["content", "title", "speaker"].map((field) => ({ [field]: { icontains: text } })) });
  const state = said("state");
  if (state === "any") all.push({ state: { exists: true } });
  else if (state && state !== "live") all.push({ state });
  if (said("type")) all.push({ memory_type: said("type") });
  for (const [name, field] of [["user", "user_id"], ["agent", "agent_id"], ["session", "session_id"]] as const) if (said(name)) all.push({ [field]: said(name) });
  const tags = listed(said("tag"));
  if (tags.length) all.push({ AND: tags.map((tag) => ({ tags: { contains: tag } })) });
  if (said("pinned")) all.push({ pinned: true });
  if (said("doubtful")) all.push({ trust: { lt: 0.5 } });
  if (said("superseded")) all.push({ superseded_by: { exists: true } });
  return all.length === 0 ? {} : all.length === 1 ? (all[0] as Filter) : { AND: all };
}
