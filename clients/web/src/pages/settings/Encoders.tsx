/** Encoders, and namespaces on their way from one to another. */

import { useState } from "preact/hooks";
import { post } from "../../data/api";
import { useList, useRead } from "../../data/fetching";
import { useHref, useNamespace } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { count, percent, plural, Time } from "../../ui/format";
import { Badge, Button, ButtonTwice, Card, Facts, Failed, Field, Loading, Meter, Notice } from "../../ui/parts";
import { attempt } from "../../ui/toasts";
import { Link } from "wouter-preact";

type Encoder = Schema<"EncoderOut">;
type Reindex = Schema<"ReindexOut">;

const REFRESH_MS = 2_000;
const UNDER_WAY = new Set<Reindex["state"]>(["backfilling", "ready", "cut_over", "dropping"]);
const IN_WORDS: Record<Reindex["state"], string> = {
  backfilling: "new texts go to both; old ones are being filled in",
  ready: "filled in; searches use the old one",
  cut_over: "searches use the new one; the old one follows every change",
  dropping: "vectors of the other encoder are being dropped",
  finished: "changed for good",
  given_up: "stayed with the old one",
};

export default function Encoders() {
  const may = useMay("admin");
  const list = useList<Encoder>(may ? "/v1/encoders" : null);
  if (!may) return <Notice tone="warn">Encoders are read with a key of the scope <code>admin</code>, and changed with <code>operator</code>.</Notice>;
  if (list.error && !list.items.length) return <Failed error={list.error} retry={() => void list.refresh()} />;
  if (!list.items.length) return <Loading />;
  const names = new Map(list.items.map((one) => [one.id, one.name]));
  return (
    <div class="stack">
      <Register after={list.refresh} />
      {list.items.map((encoder) => <EncoderCard key={encoder.id} encoder={encoder} names={names} refresh={list.refresh} />)}
    </div>
  );
}

function Register({ after }: { after: () => Promise<unknown> }) {
  const may = useMay("operator");
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  if (!may) return null;
  const register = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const worked = await attempt(() => post("/v1/encoders", { name: name.trim() }).then(after), `${name.trim()} is registered.`);
    if (worked) setName("");
    setBusy(false);
  };
  return (
    <Card title="Register an encoder">
      <form class="row" onSubmit={(event) => void register(event)} style={{ alignItems: "flex-end" }}>
        <Field label="Model" hint="A sentence-transformers model by its name, or a folder on the server. It is loaded and tried, which may take a while." class="grow">
          {(id) => <input id={id} class="input mono" required value={name} onInput={(event) => setName(event.currentTarget.value)} />}
        </Field>
        <Button type="submit" kind="primary" icon="plus" busy={busy} disabled={!name.trim()}>Register</Button>
      </form>
    </Card>
  );
}

function EncoderCard({ encoder, names, refresh }: { encoder: Encoder; names: Map<number, string>; refresh: () => Promise<unknown> }) {
  const may = useMay("operator");
  const [namespace] = useNamespace();
  const path = `/v1/encoders/${encoder.id}`;
  const moves = useRead<{ data: Reindex[] }>(`${path}/reindex`, { limit: 200 }, {
    refreshInterval: (latest: { data: Reindex[] } | undefined) => (latest?.data.some((one) => one.state === "backfilling" || one.state === "dropping") ? REFRESH_MS : 0),
  });
  const all = () => Promise.all([moves.mutate(), refresh()]);
  const here = moves.data?.data.find((one) => one.namespace === namespace);
  const canMove = may && names.size > 1 && !(here && UNDER_WAY.has(here.state)) && !(here?.state === "finished");
  return (
    <Card
      title={<span class="row"><span class="mono wrap-anywhere">{encoder.name}</span>{encoder.default && <Badge tone="accent">for new namespaces</Badge>}<Badge tone={encoder.state === "serving" ? "good" : "plain"}>{encoder.state}</Badge></span>}
      actions={may && !encoder.default && <Button small onClick={() => void attempt(() => post(`${path}/default`).then(all), `New namespaces begin with ${encoder.name}.`)}>Use for new namespaces</Button>}
    >
      <div class="stack">
        <Facts
          of={[
            ["Dimensions", count(encoder.dimension)],
            ["Window", `${count(encoder.max_tokens)} tokens`],
            ["Serves", `${plural(encoder.namespaces, "namespace")}, ${plural(encoder.memories, "memory", "memories")}`],
            ["Fingerprint", <code key="f" class="tiny">{encoder.fingerprint}</code>],
          ]}
        />
        {canMove && (
          <div class="row">
            <Button icon="play" onClick={() => void attempt(() => post(`${path}/reindex`, { namespace }).then(all), `${namespace} is being filled in under ${encoder.name}.`)}>
              Change {namespace} to this encoder
            </Button>
          </div>
        )}
        {moves.error && <Notice tone="bad">{moves.error.message}</Notice>}
        {moves.data?.data.map((one) => <Move key={one.namespace} move={one} path={path} from={names.get(one.from_encoder_id) ?? String(one.from_encoder_id)} after={all} />)}
        {moves.data?.data.length === 0 && names.size === 1 && <p class="small faint">Register another one, and a namespace can change to it while it is used: new texts go to both, old ones are filled in, both are compared, and the way back stays open.</p>}
      </div>
    </Card>
  );
}

function Move({ move, path, from, after }: { move: Reindex; path: string; from: string; after: () => Promise<unknown> }) {
  const may = useMay("operator");
  const href = useHref();
  const running = useRead<Schema<"JobOut">>(move.state === "backfilling" ? `/v1/jobs/${move.job_id}` : null, undefined, { refreshInterval: REFRESH_MS });
  const body = { namespace: move.namespace };
  const turn = (verb: string, more: Record<string, unknown> = {}) => post(`${path}/reindex/${verb}`, { ...body, ...more }).then(after);
  const seen = move.comparison;
  const progress = running.data?.progress;
  return (
    <section class="reindex stack-s" aria-label={`Change of ${move.namespace}`}>
      <div class="row-between">
        <span><strong>{move.namespace}</strong> <span class="faint small">from {from}, begun <Time at={move.started_at} /></span></span>
        <Badge tone={move.state === "finished" ? "good" : UNDER_WAY.has(move.state) ? "info" : "plain"}>{move.state.replace("_", " ")}</Badge>
      </div>
      <p class="small quiet">{IN_WORDS[move.state]}. <Link href={href(`/jobs/${move.job_id}`)}>Job</Link></p>
      {progress && progress.total > 0 && (
        <div class="stack-s">
          <Meter value={progress.done / progress.total} label="Filled in" />
          <span class="small number quiet">{count(progress.done)} of {count(progress.total)}</span>
        </div>
      )}
      {seen && (
        <Facts
          of={[
            ["Compared by", `${plural(seen.queries, "question")}, ${count(seen.judged)} of them with known answers`],
            ["First ten agree", seen.overlap_at_10 === null ? null : percent(seen.overlap_at_10)],
            ["Recall@10", seen.recall_before === null || seen.recall_after === null ? null : `${percent(seen.recall_before, 1)} before, ${percent(seen.recall_after, 1)} after`],
          ]}
        />
      )}
      {may && (
        <div class="row">
          {move.state === "ready" && <Button small kind="primary" onClick={() => void attempt(() => turn("cut-over"), `Searches of ${move.namespace} use the new encoder.`, () => turn("roll-back"))}>Cut over</Button>}
          {move.state === "ready" && <ButtonTwice small sure="Although the comparison may speak against it" onClick={() => void attempt(() => turn("cut-over", { force: true }), `Searches of ${move.namespace} use the new encoder.`, () => turn("roll-back"))}>Force</ButtonTwice>}
          {move.state === "cut_over" && <Button small icon="undo" onClick={() => void attempt(() => turn("roll-back"), `Searches of ${move.namespace} use the old encoder again.`)}>Roll back</Button>}
          {UNDER_WAY.has(move.state) && move.state !== "dropping" && (
            <ButtonTwice small kind="danger" sure={move.state === "cut_over" ? "Drop the old vectors for good" : "Give up, drop the new vectors"} onClick={() => void attempt(() => turn("finish"), "The other vectors are being dropped.")}>Finish</ButtonTwice>
          )}
        </div>
      )}
    </section>
  );
}
