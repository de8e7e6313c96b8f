/** What stands around every page: where one can go, which namespace is shown, who is logged in. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { useRead } from "./data/fetching";
import { useGo, useHref, useNamespace, useParameters } from "./data/place";
import { useSession } from "./data/session";
import type { Page, Schema } from "./data/types";
import { Icon, type IconName } from "./ui/icons";
import { Button } from "./ui/parts";
import { useTheme } from "./ui/theme";
import { Toasts } from "./ui/toasts";

interface Place {
  path: string;
  label: string;
  icon: IconName;
}

const GROUPS: { name: string; places: Place[] }[] = [
  {
    name: "Look",
    places: [
      { path: "/", label: "Overview", icon: "overview" },
      { path: "/graph", label: "Graph", icon: "graph" },
      { path: "/recall", label: "Recall lab", icon: "recall" },
      { path: "/memories", label: "Memories", icon: "memories" },
      { path: "/timeline", label: "Timeline", icon: "timeline" },
      { path: "/topics", label: "Topics", icon: "topics" },
      { path: "/entities", label: "Entities", icon: "entities" },
    ],
  },
  {
    name: "Decide",
    places: [
      { path: "/reviews", label: "Review", icon: "reviews" },
      { path: "/jobs", label: "Jobs", icon: "jobs" },
      { path: "/changesets", label: "Changesets", icon: "changesets" },
      { path: "/erasures", label: "Erasure", icon: "erasure" },
    ],
  },
  { name: "Set up", places: [{ path: "/settings", label: "Settings", icon: "settings" }] },
];

function Navigation({ onGo }: { onGo: () => void }) {
  const [location] = useLocation();
  const href = useHref();
  const here = (path: string) => (path === "/" ? location === "/" : location === path || location.startsWith(`${path}/`));
  return (
    <nav aria-label="Pages">
      {GROUPS.map((group) => (
        <div key={group.name} class="nav">
          <div class="nav-group" id={`group-${group.name}`}>{group.name}</div>
          {group.places.map((place) => (
            <Link key={place.path} href={href(place.path)} aria-current={here(place.path) ? "page" : undefined} onClick={onGo}>
              <Icon name={place.icon} />
              {place.label}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  );
}

function NamespacePicker() {
  const [namespace, choose] = useNamespace();
  const known = useRead<Page<Schema<"NamespaceOut">>>("/v1/namespaces", { limit: 200 });
  const names = [...new Set(["default", namespace, ...(known.data?.data ?? []).map((one) => one.path)])];
  return (
    <label class="row" style={{ flexWrap: "nowrap" }}>
      <span class="visually-hidden">Namespace</span>
      <select class="select" value={namespace} onChange={(event) => choose(event.currentTarget.value)} style={{ maxWidth: 200 }}>
        {names.map((name) => <option key={name} value={name}>{name}</option>)}
      </select>
    </label>
  );
}

function QuickSearch() {
  const [parameters] = useParameters();
  const [text, setText] = useState(parameters.get("q") ?? "");
  const input = useRef<HTMLInputElement>(null);
  const go = useGo();
  // Both as soon as the field is there: an effect comes after the next picture, and what was typed before it would be lost.
  useLayoutEffect(() => setText(parameters.get("q") ?? ""), [parameters.get("q")]);
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        input.current?.focus();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return (
    <form role="search" onSubmit={(event) => { event.preventDefault(); if (text.trim()) go("/recall", { q: text.trim() }); }}>
      <label>
        <span class="visually-hidden">Ask the memory</span>
        <input ref={input} class="input" type="search" placeholder="Ask the memory…  ( / )" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
    </form>
  );
}

export function Shell({ children, wide }: { children: ComponentChildren; wide: boolean }) {
  const [open, setOpen] = useState(false);
  const [theme, switchTheme] = useTheme();
  const { session, logOut } = useSession();
  const [location] = useLocation();
  const href = useHref();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    setOpen(false);
    // A new page begins at its top, for eyes and for screen readers; the first one is where the browser put it.
    if (first.current) first.current = false;
    else {
      window.scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
  }, [location]);
  return (
    <div class="shell">
      <a class="button skip" href="#content">Skip to the content</a>
      <div class="side" data-open={open}>
        <Link class="brand" href={href("/")}>
          <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" />
          Memory service
        </Link>
        <Navigation onGo={() => setOpen(false)} />
        <div class="grow" />
        <div class="stack-s small" style={{ padding: "0 8px" }}>
          <div class="wrap-anywhere"><span class="faint">Tenant</span> {session?.tenant}</div>
          <div class="wrap-anywhere"><span class="faint">Key</span> {session?.key_name}</div>
          <Button kind="quiet" small icon="out" class="log-out" onClick={() => void logOut()}>Log out</Button>
        </div>
      </div>
      {open && <button type="button" class="scrim" aria-label="Close the menu" onClick={() => setOpen(false)} />}
      <div class="main">
        <header class="top">
          <Button kind="quiet" icon="menu" class="menu-button" aria-label="Menu" aria-expanded={open} onClick={() => setOpen(true)} />
          <QuickSearch />
          <div class="spacer hide-narrow" />
          <NamespacePicker />
          <Button kind="quiet" icon={theme === "dark" ? "sun" : "moon"} aria-label={theme === "dark" ? "Use the light theme" : "Use the dark theme"} onClick={switchTheme} />
        </header>
        <main id="content" ref={main} tabIndex={-1} class={wide ? "content content-wide" : "content"} style={{ outline: "none" }}>
          {children}
        </main>
      </div>
      <Toasts />
    </div>
  );
}
