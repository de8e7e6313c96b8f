/** Where the reader is: page, parameters and namespace all stand in the address, so that every view has a link. */

import { useCallback } from "preact/hooks";
import { useLocation, useSearchParams } from "wouter-preact";

export const BASE = "/admin";
export const DEFAULT_NAMESPACE = "default";

export type Changes = Record<string, string | number | boolean | null | undefined>;

/** Read one parameter of the address, and change several at once; an empty value takes a parameter out. */
export function useParameters(): [URLSearchParams, (changes: Changes, options?: { replace?: boolean }) => void] {
  const [parameters, setParameters] = useSearchParams();
  const change = useCallback(
    (changes: Changes, options?: { replace?: boolean }) => {
      setParameters((before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(changes)) {
          if (value === null || value === undefined || value === "" || value === false) next.delete(name);
          else next.set(name, String(value));
        }
        return next;
      }, options);
    },
    [setParameters],
  );
  return [parameters, change];
}

/** The namespace that all pages show. */
export function useNamespace(): [string, (namespace: string) => void] {
  const [parameters, change] = useParameters();
  const namespace = parameters.get("ns") || DEFAULT_NAMESPACE;
  return [namespace, (next) => change({ ns: next === DEFAULT_NAMESPACE ? null : next })];
}

/** Return a link to a page that keeps the namespace. */
export function useHref(): (path: string, parameters?: Changes) => string {
  const [namespace] = useNamespace();
  return useCallback(
    (path: string, parameters: Changes = {}) => {
      const search = new URLSearchParams();
      if (namespace !== DEFAULT_NAMESPACE) search.set("ns", namespace);
      for (const [name, value] of Object.entries(parameters))
        if (value !== null && value !== undefined && value !== "" && value !== false) search.set(name, String(value));
      const text = search.toString();
      return text ? `${path}?${text}` : path;
    },
    [namespace],
  );
}

/** Go to a page, keeping the namespace. */
export function useGo(): (path: string, parameters?: Changes) => void {
  const [, navigate] = useLocation();
  const href = useHref();
  return useCallback((path: string, parameters?: Changes) => navigate(href(path, parameters)), [navigate, href]);
}
