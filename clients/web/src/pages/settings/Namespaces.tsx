/** Namespaces and how each is worked on. */

import { useState } from "preact/hooks";
import { patch, post } from "../../data/api";
import { useList } from "../../data/fetching";
import { useNamespace, useParameters } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Badge, Button, Card, Empty, Field } from "../../ui/parts";
import { attempt } from "../../ui/toasts";

type Namespace = Schema<"NamespaceOut">;
type Settings = Namespace["settings"];

const pathOf = (path: string) => `/v1/namespaces/${encodeURIComponent(path)}`;

export default function Namespaces() {
  const [parameters, change] = useParameters();
  const prefix = parameters.get("prefix") ?? "";
  const list = useList<Namespace>("/v1/namespaces", { prefix }, 100);
  const may = useMay("memories:write");
  const [path, setPath] = useState("");
  const make = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      await post("/v1/namespaces", { path: path.trim() });
      setPath("");
      change({ prefix: path.trim() });
      await list.refresh();
    }, `The namespace ${path.trim()} is there.`);
  };
  return (
    <div class="stack">
      {may && (
        <Card title="New namespace">
          <form class="row" onSubmit={make} style={{ alignItems: "flex-end" }}>
            <Field label="Path" hint="Segments of letters, digits and . _ @ : - joined by /. The first write makes one, too." class="grow">
              {(id) => <input id={id} class="input mono" required maxLength={256} placeholder="users/42" value={path} onInput={(event) => setPath(event.currentTarget.value)} />}
            </Field>
            <Button type="submit" kind="primary" icon="plus" disabled={!path.trim()}>Make it</Button>
          </form>
        </Card>
      )}
      <Field label="Only those below" hint="Whole segments: users/4 does not find users/42.">
        {(id) => <input id={id} class="input mono" type="search" value={prefix} placeholder="all" onInput={(event) => change({ prefix: event.currentTarget.value }, { replace: true })} />}
      </Field>
      <Card flush>
        <VirtualList label="Namespaces" list={list} keyOf={(one) => one.path} row={(one) => <Row namespace={one} may={may} refresh={list.refresh} />} empty={<Empty title={prefix ? "No namespace below that" : "No namespace yet"} />} />
      </Card>
    </div>
  );
}

function Row({ namespace, may, refresh }: { namespace: Namespace; may: boolean; refresh: () => Promise<unknown> }) {
  const [here, choose] = useNamespace();
  const set = (settings: Partial<Settings>, was: Partial<Settings>, text: string) => {
    const write = (to: Partial<Settings>) => patch(pathOf(namespace.path), { settings: to }).then(refresh);
    void attempt(() => write(settings), text, () => write(was));
  };
  const { extract, consolidation, fusion } = namespace.settings;
  return (
    <div class="setting-row">
      <div class="stack-s grow">
        <div class="row">
          <strong class="wrap-anywhere">{namespace.path}</strong>
          {namespace.path === here ? <Badge tone="accent">shown</Badge> : <Button small kind="quiet" onClick={() => choose(namespace.path)}>Show</Button>}
        </div>
        <span class="small faint">{namespace.created_at ? <>made <Time at={namespace.created_at} /></> : "always there"}</span>
      </div>
      <label class="setting">
        <span>Extract</span>
        <select class="select" disabled={!may} value={extract} onChange={(event) => set({ extract: event.currentTarget.value as Settings["extract"] }, { extract }, `${namespace.path} extracts by ${event.currentTarget.value}.`)}>
          <option value="none">nothing</option>
          <option value="rules">by rules</option>
          <option value="llm">by a model</option>
        </select>
      </label>
      <label class="setting">
        <span>Consolidation</span>
        <select class="select" disabled={!may} value={consolidation} onChange={(event) => set({ consolidation: event.currentTarget.value as Settings["consolidation"] }, { consolidation }, `Consolidation of ${namespace.path} is ${event.currentTarget.value}.`)}>
          <option value="auto">by itself</option>
          <option value="manual">when asked</option>
        </select>
      </label>
      <label class="check">
        <input type="checkbox" disabled={!may} checked={fusion.learn} onChange={(event) => set({ fusion: { learn: event.currentTarget.checked } }, { fusion }, `${namespace.path} ${event.currentTarget.checked ? "learns" : "does not learn"} from feedback.`)} />
        Learns from feedback
      </label>
    </div>
  );
}
