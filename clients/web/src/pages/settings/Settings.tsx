/** What the operator sets: one part at a time, each with its own address. */

import { lazy, Suspense } from "preact/compat";
import { useParams } from "wouter-preact";
import { useGo } from "../../data/place";
import { Loading, PageHead, Tabs } from "../../ui/parts";
import "./settings.css";

const PARTS = {
  namespaces: { label: "Namespaces", page: lazy(() => import("./Namespaces")) },
  retention: { label: "Retention", page: lazy(() => import("./Retention")) },
  search: { label: "Search", page: lazy(() => import("./Search")) },
  encoders: { label: "Encoders", page: lazy(() => import("./Encoders")) },
  kv: { label: "KV memory", page: lazy(() => import("./Kv")) },
  keys: { label: "Keys", page: lazy(() => import("./Keys")) },
  audit: { label: "Audit", page: lazy(() => import("./Audit")) },
} as const;

type Part = keyof typeof PARTS;

export default function Settings() {
  const { part } = useParams<{ part?: string }>();
  const go = useGo();
  const chosen: Part = part && part in PARTS ? (part as Part) : "namespaces";
  const Page = PARTS[chosen].page;
  return (
    <>
      <PageHead title="Settings" />
      <div class="stack">
        <Tabs label="Parts of the settings" chosen={chosen} choose={(id) => go(`/settings/${id}`)} tabs={Object.entries(PARTS).map(([id, { label }]) => ({ id, label }))} />
        <Suspense fallback={<Loading />}>
          <Page />
        </Suspense>
      </div>
    </>
  );
}
