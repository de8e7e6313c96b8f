/** Long lists: only the rows in view are drawn, and the next page is fetched before the reader reaches the end. */

import { useWindowVirtualizer } from "@tanstack/react-virtual";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Listed } from "../data/fetching";
import { Failed, Loading } from "./parts";

interface Props<T> {
  list: Listed<T>;
  keyOf: (item: T) => string;
  row: (item: T, index: number) => ComponentChildren;
  empty: ComponentChildren;
  label: string;
  estimate?: number;
}

/** A list of the service as rows of any height; scrolls with the page. */
export function VirtualList<T>({ list, keyOf, row, empty, label, estimate = 76 }: Props<T>) {
  const element = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop(element.current?.offsetTop ?? 0), [list.items.length > 0]);
  const virtual = useWindowVirtualizer({
    count: list.items.length,
    estimateSize: () => estimate,
    overscan: 8,
    scrollMargin: top,
    getItemKey: (index) => {
      const item = list.items[index];
      return item === undefined ? index : keyOf(item);
    },
  });
  const rows = virtual.getVirtualItems();
  const lastShown = rows[rows.length - 1]?.index ?? -1;
  useEffect(() => {
    if (list.hasMore && !list.loading && lastShown >= list.items.length - 10) list.loadMore();
  }, [lastShown, list.hasMore, list.loading, list.items.length]);

  if (list.error && !list.items.length) return <Failed error={list.error} retry={() => void list.refresh()} />;
  if (!list.items.length) return list.loading ? <Loading lines={6} /> : <>{empty}</>;
  return (
    <ul ref={element} aria-label={label} style={{ position: "relative", height: virtual.getTotalSize() }}>
      {rows.map((at) => {
        const item = list.items[at.index];
        return (
          item !== undefined && (
            <li key={at.key} ref={virtual.measureElement} data-index={at.index} aria-setsize={list.hasMore ? -1 : list.items.length} aria-posinset={at.index + 1} style={{ position: "absolute", insetInline: 0, top: 0, transform: `translateY(${at.start - top}px)` }}>
              {row(item, at.index)}
            </li>
          )
        );
      })}
    </ul>
  );
}
