/** How the kinds of questions and what is proposed are said. */

import type { Schema } from "../../data/types";

export type Review = Schema<"ReviewOut">;

export const KINDS: Record<Review["kind"], { one: string; many: string; tone: "info" | "warn" | "bad"; asks: string }> = {
  duplicate: { one: "duplicate", many: "Duplicates", tone: "info", asks: "Do both say the same?" },
  conflict: { one: "conflict", many: "Conflicts", tone: "warn", asks: "Does the newer one replace the older?" },
  low_trust: { one: "low trust", many: "Low trust", tone: "bad", asks: "Should this be out of sight?" },
};

/** What approving does; `goes` and `stays` are the words above the two originals. */
export const PROPOSALS: Record<string, { does: string; approve: string; decline: string; goes: string; stays: string }> = {
  merge: { does: "The first is merged into the second, which keeps what both were said to be. Its text stays readable.", approve: "Merge", decline: "Keep both", goes: "would be merged", stays: "would stay" },
  supersede: { does: "The second becomes what is true; the first stays, ends, and is found below it.", approve: "Supersede", decline: "Both are true", goes: "would be superseded", stays: "would be true" },
  archive: { does: "It is archived: searches leave it out. It can be restored at any time.", approve: "Archive", decline: "Trust it", goes: "would be archived", stays: "" },
};
