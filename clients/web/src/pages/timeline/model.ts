/** Two axes of time: when something was true, and when it was learned. */

export interface Moment {
  id: string;
  namespace: string;
  label: string;
  memory_type: string;
  state: string;
  valid_from: string | null;
  valid_to: string | null;
  observed_at: string;
  known_from: string;
  superseded_by: string | null;
}

export interface Timeline {
  axis: "valid" | "known";
  bucket: string;
  from: string | null;
  to: string | null;
  buckets: { start: string; count: number }[];
  data: Moment[];
  next_cursor: string | null;
  has_more: boolean;
}
