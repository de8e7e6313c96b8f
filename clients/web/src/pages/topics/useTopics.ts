/** The topic tree as far as it is open: a small one whole, of a large one the top, and what is below a topic when it is opened. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../../data/api";
import type { Page } from "../../data/types";
import { OPEN_UP_TO, type Topic, treeOf, type Branch } from "./model";

const AT_A_TIME = 200;

interface Read {
  topics: ReadonlyMap<string, Topic>;
  /** Topics of which all that is right below them has been read. */
  opened: ReadonlySet<string>;
}

export interface Topics {
  roots: Branch[] | null;
  topics: ReadonlyMap<string, Topic>;
  open: ReadonlySet<string>;
  error: Error | undefined;
  setOpen: (id: string, open: boolean) => void;
  retry: () => void;
}

const NOTHING: Read = { topics: new Map(), opened: new Set() };

async function all(query: Record<string, string | boolean>): Promise<Topic[]> {
  const found: Topic[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<Topic> = await get<Page<Topic>>("/v1/topics", { ...query, limit: AT_A_TIME, cursor });
    found.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found;
}

/** Return the topics above one, the highest first, itself last; nothing where it is no more. */
async function wayTo(id: string): Promise<Topic[]> {
  const way: Topic[] = [];
  for (let at: string | null = id; at !== null; at = way[0]!.parent_id) way.unshift(await get<Topic>(`/v1/topics/${encodeURIComponent(at)}`));
  return way;
}

/** Read the tree of a namespace; `at` is a topic that is shown, with the way to it. */
export function useTopics(namespace: string, at: string | null): Topics {
  const [read, setRead] = useState<Read | null>(null);
  const [open, setOpens] = useState<ReadonlySet<string>>(new Set());
  const [error, setError] = useState<Error>();
  const [tries, setTries] = useState(0);
  const asked = useRef(namespace);
  asked.current = namespace;

  /** Take what came for the namespace that is still shown. */
  const take = useCallback((topics: readonly Topic[], opened: readonly string[], opens: readonly string[], of: string, anew = false) => {
    if (asked.current !== of) return;
    setRead((before) => {
      const known = anew || !before ? NOTHING : before;
      return { topics: new Map([...known.topics, ...topics.map((one) => [one.id, one] as const)]), opened: new Set([...known.opened, ...opened]) };
    });
    setOpens((before) => new Set([...(anew ? [] : before), ...opens]));
  }, []);

  const follow = useCallback(async (id: string, of: string) => {
    const way = (await wayTo(id)).slice(0, -1);
    const below = await Promise.all(way.map((one) => all({ namespace: of, parent_id: one.id })));
    take(below.flat(), way.map((one) => one.id), way.map((one) => one.id), of);
  }, [take]);

  useEffect(() => {
    setRead(null);
    setError(undefined);
    const begin = async () => {
      const few = await get<Page<Topic>>("/v1/topics", { namespace, limit: OPEN_UP_TO });
      if (few.has_more) {
        take(await all({ namespace, top: true }), [], [], namespace, true);
      } else {
        const ids = few.data.map((one) => one.id);
        take(few.data, ids, ids, namespace, true);
      }
    };
    begin().catch((reason: Error) => { if (asked.current === namespace) setError(reason); });
  }, [namespace, tries]);

  // Whoever comes by a link, or back, finds the way open.
  useEffect(() => {
    if (at === null || !read || read.topics.has(at)) return;
    follow(at, namespace).catch(() => undefined); // It may be no more: the tree is there all the same.
  }, [at, read === null]);

  const setOpen = useCallback((id: string, now: boolean) => {
    if (!now) {
      setOpens((before) => new Set([...before].filter((one) => one !== id)));
      return;
    }
    if (read?.opened.has(id)) setOpens((before) => new Set([...before, id]));
    else all({ namespace, parent_id: id }).then((below) => take(below, [id], [id], namespace)).catch((reason: Error) => setError(reason));
  }, [read, namespace, take]);

  const roots = useMemo(() => (read ? treeOf([...read.topics.values()]) : null), [read]);
  return { roots, topics: read?.topics ?? NOTHING.topics, open, error, setOpen, retry: () => setTries((n) => n + 1) };
}
