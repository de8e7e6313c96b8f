/** Memories as pages read them: by id, by filter page after page, and what can be done with one, with the way back. */

import { useCallback, useMemo } from "preact/hooks";
import useSWR from "swr";
import useSWRInfinite from "swr/infinite";
import { call, memoryPath, post, remove } from "./api";
import type { Listed } from "./fetching";
import type { Page, Schema } from "./types";

export type Memory = Schema<"Memory">;
export type Filter = Record<string, unknown>;

/** A filter that has an opinion on `state` brings archived and expired memories as well. */
export const IN_ANY_STATE: Filter = { state: { exists: true } };
const IDS_AT_ONCE = 500;

/** Read memories by id, whatever their state; those that were erased are absent. */
export async function memoriesById(ids: readonly string[]): Promise<Map<string, Memory>> {
  const found = new Map<string, Memory>();
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
    const some = ids.slice(at, at + IDS_AT_ONCE);
    const page = await post<Page<Memory>>("/v1/memories/query", { filter: { AND: [{ id: { in: some } }, IN_ANY_STATE] }, limit: some.length });
    for (const memory of page.data) found.set(memory.id, memory);
  }
  return found;
}

const NONE: ReadonlyMap<string, Memory> = new Map();

/** Read the memories behind ids; empty until they are there. */
export function useMemoriesById(ids: readonly string[]): { memories: ReadonlyMap<string, Memory>; loading: boolean; refresh: () => Promise<unknown> } {
  const wanted = useMemo(() => [...new Set(ids)].sort(), [ids.join()]);
  const read = useSWR(wanted.length ? ["memories by id", wanted.join()] : null, () => memoriesById(wanted));
  return { memories: read.data ?? NONE, loading: read.data === undefined && read.isLoading, refresh: () => read.mutate() };
}

export interface ListedMemories extends Listed<Memory> {
  /** Show a memory as it is now, before or without asking again. */
  replace: (memory: Memory) => void;
}

/** The orders of lists, as the service names them. */
export type Order = Schema<"ListOrder">;

/** Read the memories that a filter selects, page by page. */
export function useFilteredMemories(namespace: string | null, filter: Filter, order: Order = "newest", limit = 50): ListedMemories {
  const asked = JSON.stringify(filter);
  const { data, error, isValidating, setSize, mutate } = useSWRInfinite<Page<Memory>, Error>(
    (_index: number, before: Page<Memory> | null) =>
      before !== null && !before.has_more ? null : ["memories", namespace, asked, order, limit, before?.next_cursor ?? null],
    ([, , , , , cursor]: [string, string | null, string, string, number, string | null]) =>
      post<Page<Memory>>("/v1/memories/query", {
        filter: JSON.parse(asked) as Filter,
        limit,
        ...(order === "newest" ? {} : { order }),
        ...(namespace === null ? {} : { namespace }),
        ...(cursor === null ? {} : { cursor }),
      }),
    { revalidateFirstPage: false, keepPreviousData: false },
  );
  const items = useMemo(() => (data ?? []).flatMap((page) => page.data), [data]);
  const loadMore = useCallback(() => void setSize((size) => size + 1), [setSize]);
  const refresh = useCallback(() => mutate(), [mutate]);
  const replace = useCallback(
    (memory: Memory) =>
      void mutate(
        (pages) => pages?.map((page) => ({ ...page, data: page.data.map((one) => (one.id === memory.id ? memory : one)) })),
        { revalidate: false },
      ),
    [mutate],
  );
  return { items, error, loading: isValidating, hasMore: data?.[data.length - 1]?.has_more ?? false, loadMore, refresh, replace };
}

type Verb = "pin" | "unpin" | "archive" | "restore";
const BACK: Record<Verb, Verb> = { pin: "unpin", unpin: "pin", archive: "restore", restore: "archive" };
const SAID: Record<Verb, string> = {
  pin: "Pinned: it does not fade.",
  unpin: "No longer pinned.",
  archive: "Archived: searches leave it out.",
  restore: "Restored.",
};

export interface Act {
  what: () => Promise<unknown>;
  text: string;
  undo: () => Promise<unknown>;
}

/** Return what `attempt` needs to do a verb to a memory; `seen` gets the memory as it is afterwards, and after an undo. */
export function act(id: string, verb: Verb, seen: (memory: Memory) => void): Act {
  const doing = (one: Verb) => async () => seen((await call<Memory>("POST", memoryPath(id, `/${one}`), { body: {} })).body);
  return { what: doing(verb), text: SAID[verb], undo: doing(BACK[verb]) };
}

/** Take a supersede back: the old memory holds again, what took its place is archived. */
export const reinstate = (id: string): Promise<Memory> => post<Memory>(memoryPath(id, "/reinstate"));

/** Say of a memory that a search found whether it was of use. */
export const judge = (searchId: string, id: string, useful: boolean): Promise<unknown> =>
  post(`/v1/traces/${encodeURIComponent(searchId)}/feedback`, { memory_id: id, useful });

/** Take back all that was said of it: it holds as firmly as if nothing had been. */
export const takeBack = (searchId: string, id: string): Promise<unknown> =>
  remove(`/v1/traces/${encodeURIComponent(searchId)}/feedback/${encodeURIComponent(id)}`);

/** Whether a memory is out of sight: searches leave it out unless they ask for the archive. */
export const isArchived = (memory: Memory): boolean => memory.state === "archived" || memory.state === "merged";
