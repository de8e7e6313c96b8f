/** Read a view: its beginning, and what was expanded since. */

import useSWR from "swr";
import { useMemo, useRef } from "preact/hooks";
import { ApiError, get, post, withQuery, type Query } from "../../data/api";
import { joined, rowsOf, viewOf, type GraphAnswer, type GraphEdge, type Picture, type View } from "./model";

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
const NOBODY: { all: string[]; fresh: string[] } = { all: [], fresh: [] };
const NO_EDGES: readonly GraphEdge[] = [];
const NOTHING: GraphAnswer = { nodes: [], edges: [], truncated: false };

const PICTURE = "/v1/graph/picture";
// Whether two answers are one is not asked of their contents: of thousands of nodes that takes longer than to draw them.
const ONCE = { revalidateOnFocus: false, revalidateOnReconnect: false, revalidateIfStale: false, compare: Object.is };

const pictureAt = async (address: string): Promise<GraphAnswer> => rowsOf(await get<Picture>(address));

/** Read what lies around one node; a node that is gone has nothing around it. */
async function around(id: string, asked: Asked): Promise<GraphAnswer> {
  try {
    return await pictureAt(withQuery(PICTURE, { seed: id, namespace: asked.namespace, depth: 1, limit: OF_AN_EXPANSION, valid_at: asked.valid, known_at: asked.known }));
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
  const beginning = useSWR<GraphAnswer, Error>(withQuery(PICTURE, query), pictureAt, ONCE);
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
    ONCE,
  );
  const expansions = asked.opened.length ? opened.data : undefined;
  const { all, fresh } = useMemo(() => (beginning.data && expansions ? joined(beginning.data, expansions) : NOBODY), [beginning.data, expansions]);
  // What is new was read around one node: how it hangs together with what else is shown is asked once it is known.
  const across = useSWR<{ edges: GraphEdge[] }, Error>(
    fresh.length ? ["edges", asked.namespace, asked.valid, asked.known, all.length, fresh.join()] : null,
    () => post("/v1/graph/edges", { nodes: all, of: fresh, namespace: asked.namespace, valid_at: asked.valid, known_at: asked.known }),
    { ...ONCE, keepPreviousData: false },
  );
  const edges = fresh.length ? across.data?.edges : NO_EDGES;
  const view = useMemo(() => (beginning.data ? viewOf(beginning.data, expansions ?? [], edges ?? NO_EDGES) : null), [beginning.data, expansions, edges]);
  const pending = asked.opened.length > 0 && ((!expansions && !opened.error) || (edges === undefined && !across.error));
  const shown = useRef<View | null>(null);
  if (!pending) shown.current = view;
  return {
    view: shown.current,
    error: beginning.data ? (opened.error ?? across.error) : beginning.error,
    loading: beginning.isValidating || opened.isValidating || across.isValidating,
    retry: () => { void beginning.mutate(); void opened.mutate(); void across.mutate(); },
  };
}
