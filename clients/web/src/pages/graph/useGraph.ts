/** Read a view: its beginning, and what was expanded since. */

import useSWR from "swr";
import { useMemo, useRef } from "preact/hooks";
import { ApiError, get, withQuery, type Query } from "../../data/api";
import { useRead } from "../../data/fetching";
import { viewOf, type GraphAnswer, type View } from "./model";

export interface Asked {
  namespace: string;
  query: string;
  seeds: readonly string[];
  opened: readonly string[];
  depth: number;
  limit: number;
  valid: string | null;
  known: string | null;
}

export interface GraphRead {
  view: View | null;
  error: Error | undefined;
  loading: boolean;
  retry: () => void;
}

export const LIMIT = 150;
const OF_AN_EXPANSION = 40;
const NOTHING: GraphAnswer = { nodes: [], edges: [], truncated: false };

/** Read what lies around one node; a node that is gone has nothing around it. */
async function around(id: string, asked: Asked): Promise<GraphAnswer> {
  try {
    return await get<GraphAnswer>("/v1/graph", { seed: id, namespace: asked.namespace, depth: 1, limit: OF_AN_EXPANSION, valid_at: asked.valid, known_at: asked.known });
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return NOTHING;
    throw error;
  }
}

export function useGraph(asked: Asked): GraphRead {
  const free = !asked.query && !asked.seeds.length;
  const query: Query = {
    namespace: asked.namespace,
    query: asked.query,
    seed: asked.seeds,
    depth: asked.depth,
    limit: asked.limit,
    // A large view of everything begins with many memories: one hop from a few would soon end.
    begin: free && asked.limit > LIMIT ? Math.round(asked.limit * 0.8) : null,
    valid_at: asked.valid,
    known_at: asked.known,
  };
  const beginning = useRead<GraphAnswer>("/v1/graph", query, { revalidateOnFocus: false, revalidateIfStale: false });
  const answers = useRef(new Map<string, Promise<GraphAnswer>>());
  const opened = useSWR<{ id: string; answer: GraphAnswer }[], Error>(
    asked.opened.length ? withQuery("opened", { ids: asked.opened, namespace: asked.namespace, valid: asked.valid, known: asked.known }) : null,
    () => Promise.all(asked.opened.map(async (id) => {
      const key = withQuery(id, { namespace: asked.namespace, valid: asked.valid, known: asked.known });
      let answer = answers.current.get(key);
      if (!answer) {
        answer = around(id, asked);
        answers.current.set(key, answer);
        answer.catch(() => answers.current.delete(key));
      }
      return { id, answer: await answer };
    })),
    { revalidateOnFocus: false, revalidateIfStale: false },
  );
  const expansions = asked.opened.length ? opened.data : undefined;
  const view = useMemo(() => (beginning.data ? viewOf(beginning.data, expansions ?? []) : null), [beginning.data, expansions]);
  return {
    view: asked.opened.length && !expansions && !opened.error ? null : view,
    error: beginning.data ? opened.error : beginning.error,
    loading: beginning.isValidating || opened.isValidating,
    retry: () => { void beginning.mutate(); void opened.mutate(); },
  };
}
