/** Colours of the theme, for what is not drawn by style sheets. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Palette } from "./look";

const theme = () => document.documentElement.dataset.theme ?? "light";

/** Return the colours of the theme; another function when the theme changes. */
export function usePalette(): Palette {
  const [shown, setShown] = useState(theme);
  useEffect(() => {
    const watcher = new MutationObserver(() => setShown(theme()));
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    setShown(theme());
    return () => watcher.disconnect();
  }, []);
  return useMemo(() => {
    const style = getComputedStyle(document.documentElement);
    const known = new Map<string, string>();
    return (token: string) => {
      const before = known.get(token);
      if (before !== undefined) return before;
      const colour = style.getPropertyValue(token).trim() || "#888888";
      known.set(token, colour);
      return colour;
    };
  }, [shown]);
}

/** Whether the reader asked for less motion. */
export function useStill(): boolean {
  const [still, setStill] = useState(() => matchMedia("(prefers-reduced-motion: reduce)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-reduced-motion: reduce)");
    const follow = () => setStill(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return still;
}
