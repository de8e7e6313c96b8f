/** KV memory of hosted models: what is kept, what it spared, how much may be kept. */

import { useState } from "preact/hooks";
import { put, remove } from "../../data/api";
import { useList, useRead } from "../../data/fetching";
import { useNamespace } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { bytes, count, percent, plural, shortId, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Badge, Button, ButtonTwice, Card, Empty, Field, Figure, Meter, Notice, Shown } from "../../ui/parts";
import { attempt } from "../../ui/toasts";

type Stats = Schema<"KvStatsOut">;
type KvMemory = Schema<"KvMemoryOut">;
const MB = 1_000_000;

export default function Kv() {
  const may = useMay("kv:use");
  const [namespace] = useNamespace();
  const stats = useRead<Stats>(may ? "/v1/kv/stats" : null);
  const list = useList<KvMemory>(may ? "/v1/kv/memories" : null, { namespace });
  if (!may) return <Notice tone="warn">KV memory is seen with a key of the scope <code>kv:use</code>.</Notice>;
  const refresh = () => Promise.all([stats.mutate(), list.refresh()]);
  return (
    <div class="stack">
      <Shown read={stats}>
        {(said) => (
          <>
            <div class="figures">
              <Card><Figure name="KV memories" value={count(said.count)} /></Card>
              <Card><Figure name="kept" value={bytes(said.bytes)} /></Card>
              <Card><Figure name="blocks found" value={said.hit_rate === null ? "—" : percent(said.hit_rate, 1)} /></Card>
              <Card><Figure name="seconds of prefill spared" value={said.saved_seconds.toLocaleString("en", { maximumFractionDigits: 1 })} /></Card>
            </div>
            <Quota key={said.quota.bytes} quota={said.quota} after={refresh} />
            {said.engines.length > 0 && <Engines engines={said.engines} />}
          </>
        )}
      </Shown>
      <Card title={`Kept for ${namespace}`} flush>
        <VirtualList
          label="KV memories"
          list={list}
          estimate={70}
          keyOf={(one) => one.id}
          row={(one) => <Row kv={one} after={refresh} />}
          empty={
            <Empty icon="memories" title="No KV memory yet">
              <p>An engine saves what it computed for the memories of a plan, so that the next prompt with them starts sooner. It needs vLLM with the connector of this service, or a job of <code>POST /v1/kv/precompute</code>.</p>
            </Empty>
          }
        />
      </Card>
    </div>
  );
}

function Quota({ quota, after }: { quota: Stats["quota"]; after: () => Promise<unknown> }) {
  const may = useMay("admin");
  const [size, setSize] = useState(String(Math.round(quota.bytes / MB)));
  const wanted = Number(size) * MB;
  const set = (to: number) => put("/v1/kv/quota", { bytes: to }).then(after);
  return (
    <Card title="Quota">
      <div class="stack">
        <div class="tier-wide">
          <Meter value={quota.bytes ? quota.used_bytes / quota.bytes : 0} label="Used of the quota" />
          <span class="small number quiet">{bytes(quota.used_bytes)} of {bytes(quota.bytes)}</span>
        </div>
        {may && (
          <form class="row" style={{ alignItems: "flex-end" }} onSubmit={(event) => { event.preventDefault(); void attempt(() => set(wanted), `The quota is ${bytes(wanted)}.`, () => set(quota.bytes)); }}>
            <Field label="Megabytes" hint={`The operator allows ${bytes(quota.most_bytes)}.`}>
              {(id) => <input id={id} class="input" type="number" min={0} value={size} onInput={(event) => setSize(event.currentTarget.value)} style={{ maxWidth: 160 }} />}
            </Field>
            <Button type="submit" disabled={!(wanted >= 0) || Math.round(quota.bytes / MB) === Number(size)}>Set</Button>
          </form>
        )}
        {Object.keys(quota.namespaces).length > 0 && <div class="row">{Object.entries(quota.namespaces).map(([path, most]) => <Badge key={path}>{path}: {bytes(most)}</Badge>)}</div>}
      </div>
    </Card>
  );
}

function Engines({ engines }: { engines: Stats["engines"] }) {
  return (
    <Card title="Engines" flush>
      <div class="table-wrap" tabIndex={0} role="region" aria-label="Engines">
        <table class="table">
          <thead><tr><th>Model</th><th>Engine</th><th class="right">Kept</th><th class="right">Found</th><th class="right">Loads</th><th class="right">Spared</th></tr></thead>
          <tbody>
            {engines.map((one) => (
              <tr key={one.engine}>
                <td class="wrap-anywhere">{one.model}</td>
                <td><code title={one.engine}>{one.engine.slice(0, 12)}</code></td>
                <td class="right">{bytes(one.bytes)}</td>
                <td class="right">{one.hit_rate === null ? "—" : percent(one.hit_rate, 1)}</td>
                <td class="right">{count(one.hits)}</td>
                <td class="right">{one.saved_seconds.toFixed(1)} s</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Row({ kv, after }: { kv: KvMemory; after: () => Promise<unknown> }) {
  const may = useMay("kv:use");
  return (
    <div class="setting-row">
      <div class="stack-s grow">
        <div class="row">
          <strong>{plural(kv.n_tokens, "token")} of {kv.model}</strong>
          <Badge tone={kv.exactness === "exact" ? "good" : "warn"}>{kv.exactness}</Badge>
          <Badge>{kv.codec}</Badge>
        </div>
        <span class="small faint">{shortId(kv.id)} · {bytes(kv.bytes)} · {plural(kv.hits, "load")} · made <Time at={kv.created_at} />{kv.last_hit_at && <> · last loaded <Time at={kv.last_hit_at} /></>}</span>
      </div>
      {may && <ButtonTwice small kind="danger" sure="Drop it" onClick={() => void attempt(() => remove(`/v1/kv/memories/${kv.id}`).then(after), "Dropped; an engine may compute it again.")}>Drop</ButtonTwice>}
    </div>
  );
}
