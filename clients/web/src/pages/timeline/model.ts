/** Two axes of time: when something was true, and when it was learned. */

import type { Schema } from "../../data/types";

export interface Moment {
  id: string;
  namespace: string;
  label: string;
  memory_type: string;
  state: string;
  valid_from: string | null;
  valid_to: string | null;
  observed_at: string;
  created_at: string;
  known_from: string;
  superseded_by: string | null;
}

export interface Timeline {
  axis: "valid" | "known";
  bucket: string | null;
  buckets: { start: string; count: number }[];
  data: Moment[];
  next_cursor: string | null;
  has_more: boolean;
}

/** When a memory's content was true; what was said without a time was true when it was said. */
export const trueOf = (moment: Moment): string => moment.valid_from ?? moment.observed_at;

/** When a memory was learned; since when its present state is known is later, where it was changed. */
export const knownOf = (moment: Moment): string => moment.created_at;

export type Plane = Schema<"PlaneOut">;
export type Cell = Plane["cells"][number];
