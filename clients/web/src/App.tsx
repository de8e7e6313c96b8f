/** Which page stands at which address. Every page but the first is fetched when it is asked for. */

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

const Overview = lazy(() => import("./pages/overview/Overview"));
const Graph = lazy(() => import("./pages/graph/Graph"));
const Recall = lazy(() => import("./pages/recall/Recall"));
const Memories = lazy(() => import("./pages/memories/Memories"));
const Memory = lazy(() => import("./pages/memory/Memory"));
const Timeline = lazy(() => import("./pages/timeline/Timeline"));
const Topics = lazy(() => import("./pages/topics/Topics"));
const Entities = lazy(() => import("./pages/entities/Entities"));
const Entity = lazy(() => import("./pages/entities/Entity"));
const Reviews = lazy(() => import("./pages/reviews/Reviews"));
const Jobs = lazy(() => import("./pages/jobs/Jobs"));
const Job = lazy(() => import("./pages/jobs/Job"));
const Changesets = lazy(() => import("./pages/changesets/Changesets"));
const Changeset = lazy(() => import("./pages/changesets/Changeset"));
const Erasures = lazy(() => import("./pages/erasures/Erasures"));
const Settings = lazy(() => import("./pages/settings/Settings"));

/** Pages that use the whole window. */
const WIDE = new Set(["/graph"]);

function Pages() {
  const [location] = useLocation();
  return (
    <Shell wide={WIDE.has(location)}>
      <Suspense fallback={<Loading lines={6} />}>
        <Switch>
          <Route path="/" component={Overview} />
          <Route path="/graph" component={Graph} />
          <Route path="/recall" component={Recall} />
          <Route path="/memories" component={Memories} />
          <Route path="/memories/:id" component={Memory} />
          <Route path="/timeline" component={Timeline} />
          <Route path="/topics" component={Topics} />
          <Route path="/entities" component={Entities} />
          <Route path="/entities/:id" component={Entity} />
          <Route path="/reviews" component={Reviews} />
          <Route path="/jobs" component={Jobs} />
          <Route path="/jobs/:id" component={Job} />
          <Route path="/changesets" component={Changesets} />
          <Route path="/changesets/:id" component={Changeset} />
          <Route path="/erasures" component={Erasures} />
          <Route path="/settings/:part?" component={Settings} />
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
