/** How wide an element is drawn, so that a chart in it is not scaled and its letters stay as large as all others. */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** Return a reference for an element and its width, `first` until it was measured and never below `least`. */
export function useWidth<T extends Element>(first: number, least: number): [RefObject<T>, number] {
  const element = useRef<T>(null);
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const measured = element.current;
    if (!measured) return undefined;
    const measure = new ResizeObserver(() => setWidth(Math.max(least, measured.clientWidth)));
    measure.observe(measured);
    return () => measure.disconnect();
  }, [least]);
  return [element, width];
}
