/** Light or dark: as the system has it until the reader says otherwise. */

import { useEffect, useState } from "preact/hooks";

export type Theme = "light" | "dark";
const KEY = "memory-service-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const current = (): Theme => {
  const said = localStorage.getItem(KEY);
  return said === "light" || said === "dark" ? said : system.matches ? "dark" : "light";
};

/** Return the theme and a switch; the root element carries it as `data-theme`. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>(current);
  useEffect(() => {
    const follow = () => setTheme(current());
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return [
    theme,
    () => {
      const next = theme === "dark" ? "light" : "dark";
      localStorage.setItem(KEY, next);
      setTheme(next);
    },
  ];
}
