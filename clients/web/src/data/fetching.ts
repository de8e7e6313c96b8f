/** What pages read: cached by path, refreshed quietly, one hook per shape. */

import useSWR, { useSWRConfig, type SWRConfiguration, type SWRResponse } from "swr";
import useSWRInfinite from "swr/infinite";
import { useCallback, useMemo } from "preact/hooks";
import { ApiError, call, get, type Answer, type Query, withQuery } from "./api";
import type { Page } from "./types";

export type Read<T> = SWRResponse<T, Error>;

/** Read a path; null reads nothing yet. */
export function useRead<T>(path: string | null, query?: Query, options?: SWRConfiguration<T, Error>): Read<T> {
  return useSWR<T, Error>(path === null ? null : withQuery(path, query), (key: string) => get<T>(key), options);
}

/** Read a path with its version, for a later `If-Match`. */
export function useVersioned<T>(path: string | null): Read<Answer<T>> {
  return useSWR<Answer<T>, Error>(path === null ? null : ["versioned", path], () => call<T>("GET", path as string));
}

/** Read what a POST answers, as searches do; the body is the key. */
export function usePosted<T>(path: string | null, body: unknown, options?: SWRConfiguration<T, Error>): Read<T> {
  return useSWR<T, Error>(
    path === null ? null : [path, JSON.stringify(body)],
    async () => (await call<T>("POST", path as string, { body })).body,
    { revalidateOnFocus: false, revalidateIfStale: false, ...options },
  );
}

export interface Listed<T> {
  items: T[];
  error: Error | undefined;
  loading: boolean;
  hasMore: boolean;
  loadMore: () => void;
  refresh: () => Promise<unknown>;
}

/** Read a list page by page. */
export function useList<T>(path: string | null, query: Query = {}, limit = 50): Listed<T> {
  const text = JSON.stringify(query);
  const { data, error, isValidating, setSize, mutate } = useSWRInfinite<Page<T>, Error>(
    (_index: number, before: Page<T> | null) => {
      if (path === null || (before !== null && !before.has_more)) return null;
      return withQuery(path, { ...(JSON.parse(text) as Query), limit, cursor: before?.next_cursor ?? null });
    },
    (key: string) => get<Page<T>>(key),
    { revalidateFirstPage: false },
  );
  const items = useMemo(() => (data ?? []).flatMap((page) => page.data), [data]);
  const loadMore = useCallback(() => void setSize((size) => size + 1), [setSize]);
  const refresh = useCallback(() => mutate(), [mutate]);
  return {
    items,
    error,
    loading: isValidating,
    hasMore: data?.[data.length - 1]?.has_more ?? false,
    loadMore,
    refresh,
  };
}

const INFINITE = "$inf$"; // how SWR begins the keys of lists that are read page by page

/** Read anew all that was read under addresses with one of these words, whether it is shown now or will be again. */
export function useReadAnew(): (...words: string[]) => Promise<unknown> {
  const { cache, mutate } = useSWRConfig();
  return useCallback(
    async (...words: string[]) => {
      const named = (key: string) => words.some((word) => key.includes(word));
      // A page of a list that is not shown is kept as it was, unless it is taken away.
      await mutate((key) => named(JSON.stringify(key)), undefined, { revalidate: true });
      // Their own keys are written otherwise: [ is @ there. Without this a list that was read a moment ago would not be read again.
      const listed = (key: string) => key.startsWith(INFINITE) && named(key.replaceAll("@", "["));
      await Promise.all([...cache.keys()].filter(listed).map((key) => mutate(key)));
    },
    [cache, mutate],
  );
}

/** Whether an error is the service's and of this code. */
export const isCode = (error: unknown, code: string): boolean =>
  error instanceof ApiError && error.problem.code === code;
