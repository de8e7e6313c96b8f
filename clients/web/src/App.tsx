/** Which page stands at which address. Every page but the first is fetched when it is asked for. */

import type { JSX } from "preact";
import { lazy, Suspense } from "preact/compat";
import { useMemo } from "preact/hooks";
import { Redirect, Route, Router, Switch, useLocation } from "wouter-preact";
import { SWRConfig } from "swr";
import { ApiError } from "./data/api";
import { BASE } from "./data/place";
import { SessionProvider, useSession } from "./data/session";
import { ByLink, Login } from "./pages/Login";
import { Shell } from "./Shell";
import { Empty, Loading } from "./ui/parts";
import { useTheme } from "./ui/theme";

const PAGES: Record<string, () => Promise<{ default: () => JSX.Element }>> = {
  "/": () => import("./pages/overview/Overview"),
  "/graph": () => import("./pages/graph/Graph"),
  "/recall": () => import("./pages/recall/Recall"),
  "/memories": () => import("./pages/memories/Memories"),
  "/memories/:id": () => import("./pages/memory/Memory"),
  "/timeline": () => import("./pages/timeline/Timeline"),
  "/topics": () => import("./pages/topics/Topics"),
  "/entities": () => import("./pages/entities/Entities"),
  "/entities/:id": () => import("./pages/entities/Entity"),
  "/reviews": () => import("./pages/reviews/Reviews"),
  "/jobs": () => import("./pages/jobs/Jobs"),
  "/jobs/:id": () => import("./pages/jobs/Job"),
  "/changesets": () => import("./pages/changesets/Changesets"),
  "/changesets/:id": () => import("./pages/changesets/Changeset"),
  "/erasures": () => import("./pages/erasures/Erasures"),
  "/settings/:part?": () => import("./pages/settings/Settings"),
};

const matches = (path: string, address: string): boolean => {
  const [wanted, found] = [path.split("/"), address.split("/")];
  return found.length <= wanted.length && wanted.every((part, at) => part.endsWith("?") || (part.startsWith(":") ? Boolean(found[at]) : part === found[at]));
};
const first = Object.keys(PAGES).find((path) => matches(path, location.pathname.slice(BASE.length) || "/"));
/** The page of the address is fetched while the service is asked who this is; where that fails it is fetched again once it is shown. */
const fetched = first === undefined ? null : PAGES[first]!().catch(() => null);
const opened = async (path: string, load: (typeof PAGES)[string]) => (path === first && (await fetched)) || load();
const PAGE_OF = Object.entries(PAGES).map(([path, load]) => ({ path, component: lazy(() => opened(path, load)) }));

/** Pages that use the whole window. */
const WIDE = new Set(["/graph"]);

function Pages() {
  const [location] = useLocation();
  return (
    <Shell wide={WIDE.has(location)}>
      <Suspense fallback={<Loading lines={6} />}>
        <Switch>
          {PAGE_OF.map(({ path, component }) => <Route key={path} path={path} component={component} />)}
          <Route path="/login"><Redirect to="/" /></Route>
          <Route>
            <Empty icon="warn" title="There is no such page">
              <p>The address may be of another version of the service.</p>
            </Empty>
          </Route>
        </Switch>
      </Suspense>
    </Shell>
  );
}

function Gate() {
  const { session, asking, link } = useSession();
  useTheme();
  if (asking) return <main class="login"><Loading lines={3} label="Asking who you are" /></main>;
  if (link) return <ByLink />;
  return session ? <Pages /> : <Login />;
}

/** A refusal will not change by asking again; a service that is away may come back. */
const shouldRetryOnError = (error: unknown) => error instanceof ApiError && (error.problem.status === 0 || error.problem.retryable === true);

export function App() {
  const config = useMemo(() => ({ shouldRetryOnError, errorRetryCount: 4, dedupingInterval: 1_000, keepPreviousData: true }), []);
  return (
    <Router base={BASE}>
      <SWRConfig value={config}>
        <SessionProvider>
          <Gate />
        </SessionProvider>
      </SWRConfig>
    </Router>
  );
}
