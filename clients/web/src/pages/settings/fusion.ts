/** What policies of searching and learned factors say, in words. Pure. */

import { CHANNELS } from "../../ui/channels";
import type { Weights } from "../../ui/weights";

export interface FusionPolicy {
  preset: "fast" | "balanced" | "thorough" | null;
  channels: Weights | null;
}

export const PRESETS: Record<NonNullable<FusionPolicy["preset"]>, string> = {
  fast: "30 candidates per channel in a large namespace; what is linked is not looked at.",
  balanced: "30 candidates per channel in a large namespace, and what is linked to what was found.",
  thorough: "200 candidates per channel in a large namespace, and a reranker where one is set up.",
};

export const MEANINGS: Record<string, string> = {
  vector: "what means the same",
  keyword: "what has the same words",
  graph: "what names the same, or is linked to what was found",
  temporal: "what was true at the time asked about",
  hopfield: "what a blurred question may have meant; usually off",
};

/** One text for one policy, whatever the order in which its channels were chosen. */
export const policyText = ({ preset, channels }: FusionPolicy): string =>
  JSON.stringify([preset, channels && Object.entries(channels).sort(([a], [b]) => (a < b ? -1 : 1))]);

/** Whether a policy leaves everything as it is everywhere. */
export const saysNothing = ({ preset, channels }: FusionPolicy): boolean => preset === null && channels === null;

/** Factors in the order of the channels; those of 1 change nothing and are left out. */
export function factorsOf(factors: Record<string, number>): [string, number][] {
  const place = (name: string) => (CHANNELS as readonly string[]).indexOf(name);
  return Object.entries(factors).filter(([, factor]) => Math.abs(factor - 1) >= 0.005).sort(([a], [b]) => place(a) - place(b));
}

interface Outcome {
  recall: number;
  ndcg: number;
}

/** Rankings of the saved queries before and after a proposal. */
export interface Comparison {
  searches: number;
  before: Outcome;
  after: Outcome;
  better: number;
  worse: number;
  broken: number;
}

/** Return the comparison of an evaluation on queries that the proposal had not seen; null where nothing was compared. */
export function unseenOf(evaluation: Record<string, unknown>): Comparison | null {
  const found = evaluation["unseen"];
  return typeof found === "object" && found !== null && "before" in found && "after" in found ? (found as Comparison) : null;
}
