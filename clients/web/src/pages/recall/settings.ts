/** Settings of a search as they stand in the address, and the body of `POST /v1/search` that they mean. Pure. */

import type { Changes } from "../../data/place";
import type { Schema } from "../../data/types";
import { CHANNELS } from "../../ui/channels";

export type Search = Schema<"SearchOut">;
export type Result = Schema<"ResultOut">;
export type Body = Record<string, unknown>;

/** Names of the parameters; the second setting of a comparison has them with this prefix. */
export const NAMES = ["where", "user", "agent", "session", "filter", "k", "preset", "channels", "valid", "known", "now", "from", "to", "sure", "unlike", "beside", "archived", "tokens", "explain"] as const;
export type Name = (typeof NAMES)[number];
export type Settings = Partial<Record<Name, string>>;
export const SECOND = "b.";

/** Read one of the two settings of the address. */
export function settingsOf(parameters: URLSearchParams, prefix = ""): Settings {
  const found: Settings = {};
  for (const name of NAMES) {
    const value = parameters.get(prefix + name);
    if (value) found[name] = value;
  }
  return found;
}

/** Return the changes of the address that say these settings and no others. */
export const changesOf = (settings: Settings, prefix = ""): Changes => Object.fromEntries(NAMES.map((name) => [prefix + name, settings[name] ?? null]));

/** Read `vector:0.5,keyword:0.5`. */
export function weightsOf(text: string | undefined): Record<string, number> | null {
  if (!text) return null;
  const weights: Record<string, number> = {};
  for (const one of text.split(",")) {
    const [name, weight] = one.split(":");
    const value = Number(weight);
    if (name && weight !== undefined && weight !== "" && Number.isFinite(value)) weights[name] = value;
  }
  return Object.keys(weights).length ? weights : null;
}

export const weightsText = (weights: Record<string, number>): string =>
  Object.entries(weights).sort(([a], [b]) => CHANNELS.indexOf(a as "vector") - CHANNELS.indexOf(b as "vector")).map(([name, weight]) => `${name}:${weight}`).join(",");

/** What is wrong with a filter before it is sent; null when it is an object of JSON. */
export function filterFault(text: string | undefined): string | null {
  if (!text?.trim()) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? null : 'A filter is an object, such as {"tags": "ferry"}.';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const number = (text: string | undefined): number | undefined => (text === undefined || text.trim() === "" || !Number.isFinite(Number(text)) ? undefined : Number(text));

/** A moment of the address: complete ones as they are, those of a field without a zone as the reader's time. */
export function moment(text: string | undefined): string | undefined {
  if (!text) return undefined;
  if (/[zZ]$|[+-]\d\d:\d\d$/.test(text)) return text;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : at.toISOString();
}

/** Return the body of a search. */
export function bodyOf(query: string, namespace: string, settings: Settings): Body {
  const where = settings.where ?? "";
  const place = where.endsWith("*")
    ? { namespace_prefix: where.replace(/\/?\*$/, "") }
    : where.includes(",")
      ? { namespaces: where.split(",").map((one) => one.trim()).filter(Boolean) }
      : { namespace: where.trim() || namespace };
  const valid = moment(settings.valid);
  const knownAt = moment(settings.known);
  const from = moment(settings.from);
  const to = moment(settings.to);
  const body: Body = {
    query,
    ...place,
    user_id: settings.user,
    agent_id: settings.agent,
    session_id: settings.session,
    filter: settings.filter?.trim() ? (JSON.parse(settings.filter) as unknown) : undefined,
    top_k: number(settings.k),
    preset: settings.preset,
    channels: weightsOf(settings.channels) ?? undefined,
    as_of: valid || knownAt ? { ...(valid ? { valid } : {}), ...(knownAt ? { known: knownAt } : {}) } : undefined,
    now: moment(settings.now),
    window: from || to ? { ...(from ? { from } : {}), ...(to ? { to } : {}) } : undefined,
    min_confidence: number(settings.sure),
    diversity: number(settings.unlike),
    neighbours: number(settings.beside),
    include: settings.archived ? ["archived"] : undefined,
    token_budget: number(settings.tokens),
    explain: settings.explain !== "no",
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** Say settings in few words, for a heading; nothing is said of what is as usual. */
export function inWords(settings: Settings): string {
  const said: Record<Name, (value: string) => string> = {
    where: (value) => `in ${value}`,
    user: (value) => `user ${value}`,
    agent: (value) => `agent ${value}`,
    session: (value) => `session ${value}`,
    filter: () => "filtered",
    k: (value) => `top ${value}`,
    preset: (value) => value,
    channels: (value) => value.replaceAll(":", " ").replaceAll(",", ", "),
    valid: (value) => `true at ${value.slice(0, 10)}`,
    known: (value) => `known at ${value.slice(0, 10)}`,
    now: (value) => `now is ${value.slice(0, 10)}`,
    from: (value) => `from ${value.slice(0, 10)}`,
    to: (value) => `to ${value.slice(0, 10)}`,
    sure: (value) => `confidence ≥ ${value}`,
    unlike: (value) => `diversity ${value}`,
    beside: (value) => `${value} beside`,
    archived: () => "with the archive",
    tokens: (value) => `${value} tokens`,
    explain: () => "",
  };
  return NAMES.map((name) => settings[name] && said[name](settings[name])).filter(Boolean).join(" · ") || "as usual";
}
