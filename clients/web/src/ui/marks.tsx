/** Marks that mean the same on every page: states of jobs, changesets, memories. */

import type { Schema } from "../data/types";
import { Badge } from "./parts";

type Tone = "good" | "warn" | "bad" | "info" | "accent" | "plain";

const STATUS: Record<string, Tone> = {
  queued: "plain",
  running: "info",
  succeeded: "good",
  verified: "good",
  applied: "good",
  failed: "bad",
  incomplete: "bad",
  cancelled: "warn",
  reverted: "warn",
};

export const StatusBadge = ({ status }: { status: string }) => <Badge tone={STATUS[status] ?? "plain"}>{status}</Badge>;

const STATES: Record<Schema<"State">, Tone> = {
  generated: "info",
  activated: "good",
  merged: "plain",
  archived: "warn",
  expired: "warn",
  frozen: "accent",
};

export const StateBadge = ({ state }: { state: Schema<"State"> }) => <Badge tone={STATES[state] ?? "plain"}>{state}</Badge>;
