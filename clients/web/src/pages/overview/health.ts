/** What the service says about the health of a namespace. */

export interface HealthReport {
  namespace: string | null;
  measured_at: string;
  memories: { total: number; live: number; pinned: number; superseded: number; by_state: Record<string, number>; by_type: Record<string, number> };
  retention: { firm: number; fading: number; faint: number };
  duplicates: { merged: number; open: number; rate: number };
  junk: { count: number; rate: number };
  contradictions: { open: number; links: number };
  low_trust: { open: number; memories: number };
  reviews_open: number;
  waiting: { enrichment: number; consolidation: number };
  week: { created: number; superseded: number; archived: number; merged: number; erased: number; versions: number };
  last_consolidation: { changeset_id: string; job_id: string | null; at: string; counts: Record<string, number> } | null;
}
