/** Erasure: look at what would go, then let it go, and keep the receipt. */

import { useEffect, useState } from "preact/hooks";
import { ApiError, post } from "../../data/api";
import { useList, useRead } from "../../data/fetching";
import { useHref, useNamespace, useParameters } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { count, plural, shortId, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { StatusBadge } from "../../ui/marks";
import { Badge, Button, Card, Empty, Facts, Failed, Field, Figure, Notice, PageHead, Shown } from "../../ui/parts";
import { attempt } from "../../ui/toasts";
import { Link } from "wouter-preact";
import "./erasures.css";

type Preview = Schema<"PreviewOut">;
type Listed = Schema<"ListedErasureOut">;
type Receipt = Schema<"ErasureOut">;
const RUNNING = new Set(["queued", "running"]);
type By = "ids" | "user" | "filter";

/** What the form asks for, as the service takes it; a sentence where it cannot be sent. */
function request(by: By, parameters: URLSearchParams, namespace: string): { body: Record<string, unknown> } | { wrong: string } {
  const within = parameters.get("everywhere") === "true" ? {} : { namespace };
  if (by === "ids") {
    const ids = (parameters.get("ids") ?? "").split(/[\s,]+/).filter(Boolean);
    return ids.length ? { body: { ids, ...within } } : { wrong: "Name at least one memory." };
  }
  if (by === "user") {
    const scope = Object.fromEntries(["user_id", "agent_id", "session_id"].map((name) => [name, parameters.get(name)]).filter(([, value]) => value));
    return Object.keys(scope).length ? { body: { ...scope, ...within } } : { wrong: "Name a user, an agent or a session." };
  }
  try {
    const filter: unknown = JSON.parse(parameters.get("filter") || "");
    return typeof filter === "object" && filter !== null && !Array.isArray(filter) ? { body: { filter, ...within } } : { wrong: "A filter is a JSON object." };
  } catch {
    return { wrong: "The filter is not JSON yet." };
  }
}

export default function Erasures() {
  const may = useMay("memories:erase");
  const [namespace] = useNamespace();
  const [parameters] = useParameters();
  const receipt = parameters.get("receipt");
  const list = useList<Listed>(may ? "/v1/erasures" : null, { namespace });
  return (
    <>
      <PageHead title="Erasure">
        Archiving hides a memory and can be taken back. Erasing removes it with everything made of it, for good, and leaves a receipt.
      </PageHead>
      {!may ? (
        <Notice tone="warn">The key you logged in with lacks the scope <code>memories:erase</code>.</Notice>
      ) : (
        <div class="sides erasure-sides">
          <div class="stack">
            <NewErasure after={list.refresh} />
          </div>
          <div class="stack">
            {receipt && <ReceiptCard id={receipt} ended={list.refresh} />}
            <Card title="Receipts" flush>
              <VirtualList label="Receipts" list={list} estimate={62} keyOf={(one) => one.id} row={(one) => <ReceiptRow erasure={one} />} empty={<Empty icon="erasure" title="Nothing was erased here"><p>Each erasure leaves a receipt: what went, by whom, and that a second look found nothing left.</p></Empty>} />
            </Card>
          </div>
        </div>
      )}
    </>
  );
}

function NewErasure({ after }: { after: () => Promise<unknown> }) {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const by = (parameters.get("by") as By | null) ?? (parameters.get("user_id") ? "user" : parameters.get("filter") ? "filter" : "ids");
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState("");
  const asked = request(by, parameters, namespace);
  const set = (changes: Record<string, string | boolean | null>) => {
    setPreview(null);
    setTyped("");
    setError(null);
    change(changes, { replace: true });
  };
  const look = async () => {
    if (!("body" in asked)) return;
    setBusy(true);
    setError(null);
    try {
      setPreview(await post<Preview>("/v1/erasures", { ...asked.body, dry_run: true }));
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  const erase = async () => {
    if (!("body" in asked)) return;
    setBusy(true);
    await attempt(async () => {
      const begun = await post<{ erasure_id: string }>("/v1/erasures", asked.body);
      setPreview(null);
      setTyped("");
      change({ receipt: begun.erasure_id });
      await after();
    }, "The erasure has begun.");
    setBusy(false);
  };
  return (
    <Card title="What is to go">
      <div class="stack">
        <fieldset class="choice">
          <legend class="visually-hidden">How to name it</legend>
          {([["ids", "Memories"], ["user", "A person, an agent or a session"], ["filter", "A filter"]] as const).map(([id, label]) => (
            <label key={id} class="check">
              <input type="radio" name="by" checked={by === id} onChange={() => set({ by: id })} />
              {label}
            </label>
          ))}
        </fieldset>
        {by === "ids" && (
          <Field label="Ids of memories" hint="One to a line, up to 1,000.">
            {(id) => <textarea id={id} class="textarea mono" value={parameters.get("ids") ?? ""} onInput={(event) => set({ ids: event.currentTarget.value })} />}
          </Field>
        )}
        {by === "user" && (
          <div class="columns">
            {([["user_id", "User"], ["agent_id", "Agent"], ["session_id", "Session"]] as const).map(([name, label]) => (
              <Field key={name} label={label}>
                {(id) => <input id={id} class="input" value={parameters.get(name) ?? ""} onInput={(event) => set({ [name]: event.currentTarget.value })} />}
              </Field>
            ))}
          </div>
        )}
        {by === "filter" && (
          <Field label="Filter" hint={<>As for lists and searches, e.g. <code>{'{"tags": {"contains": "draft"}}'}</code>; <code>{"{}"}</code> empties the namespace.</>}>
            {(id) => <textarea id={id} class="textarea mono" value={parameters.get("filter") ?? ""} onInput={(event) => set({ filter: event.currentTarget.value })} />}
          </Field>
        )}
        <label class="check">
          <input type="checkbox" checked={parameters.get("everywhere") === "true"} onChange={(event) => set({ everywhere: event.currentTarget.checked })} />
          In all namespaces, not only in <strong>{namespace}</strong>
        </label>
        <div class="row">
          <Button kind="primary" icon="eye" busy={busy && !preview} disabled={!("body" in asked)} onClick={() => void look()}>Show what would go</Button>
          {"wrong" in asked && <span class="small faint">{asked.wrong}</span>}
        </div>
        {error !== null && <Failed error={error} />}
        {preview && <Blast preview={preview} typed={typed} setTyped={setTyped} busy={busy} erase={() => void erase()} />}
      </div>
    </Card>
  );
}

/** Everything an erasure takes with it, by kind, before it happens. */
function Blast({ preview, typed, setTyped, busy, erase }: { preview: Preview; typed: string; setTyped: (text: string) => void; busy: boolean; erase: () => void }) {
  const rows = Object.entries(preview.counts).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...rows.map(([, n]) => n));
  const rebuilt = Object.entries(preview.derived.rebuilt as Record<string, number>).filter(([, n]) => n > 0);
  if (preview.matched === 0) return <Notice>Nothing matches: there is nothing to erase.</Notice>;
  const word = String(preview.memories);
  return (
    <section class="blast stack" aria-label="What would go">
      <div class="columns">
        <Figure name="memories named" value={count(preview.matched)} />
        <Figure name="made of them, and go too" value={count(preview.derived.memories)} />
        <Figure name="gists, episodes, topics built anew" value={count(rebuilt.reduce((sum, [, n]) => sum + n, 0))} />
      </div>
      {rebuilt.length > 0 && <div class="row">{rebuilt.map(([name, n]) => <Badge key={name} tone="warn">{name} {count(n)}</Badge>)}</div>}
      <table class="table blast-table">
        <caption class="visually-hidden">Rows that would go, by table</caption>
        <thead><tr><th>Rows of</th><th class="right">Number</th><th aria-hidden="true" /></tr></thead>
        <tbody>
          {rows.map(([name, n]) => (
            <tr key={name}>
              <td><code>{name}</code></td>
              <td class="right">{count(n)}</td>
              <td aria-hidden="true"><span class="blast-bar" style={{ width: `${Math.max(2, (100 * n) / most)}%` }} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      {preview.truncated && <Notice tone="warn">More than 100,000 memories match; the numbers are of the first of them.</Notice>}
      <Field label={`This cannot be undone. Type ${word} to erase ${plural(preview.memories, "memory", "memories")}.`}>
        {(id) => (
          <div class="row">
            <input id={id} class="input" style={{ maxWidth: 140 }} inputMode="numeric" autoComplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
            <Button kind="danger" icon="erasure" busy={busy} disabled={typed !== word} onClick={erase}>Erase for good</Button>
          </div>
        )}
      </Field>
    </section>
  );
}

function ReceiptRow({ erasure }: { erasure: Listed }) {
  const href = useHref();
  return (
    <Link class="receipt-row" href={href("/erasures", { receipt: erasure.id })}>
      <span class="stack-s">
        <strong>{plural(erasure.memories.erased, "memory", "memories")} erased</strong>
        <span class="small faint">by {erasure.selected_by} · <Time at={erasure.requested_at} /></span>
      </span>
      {erasure.verified ? <Badge tone="good">verified</Badge> : <StatusBadge status={erasure.status} />}
    </Link>
  );
}

function ReceiptCard({ id, ended }: { id: string; ended: () => Promise<unknown> }) {
  const [, change] = useParameters();
  const href = useHref();
  const read = useRead<Receipt>(`/v1/erasures/${encodeURIComponent(id)}`, undefined, {
    refreshInterval: (latest: Receipt | undefined) => (latest && RUNNING.has(latest.status) ? 1_000 : 0),
  });
  const over = read.data !== undefined && !RUNNING.has(read.data.status);
  useEffect(() => {
    if (over) void ended();
  }, [over]);
  const missing = read.error instanceof ApiError && read.error.problem.status === 404;
  if (missing) return <Notice tone="warn">There is no such receipt.</Notice>;
  return (
    <Card title={`Receipt ${shortId(id)}`} actions={<Button kind="quiet" icon="close" small aria-label="Close the receipt" onClick={() => change({ receipt: null })} />}>
      <Shown read={read}>
        {(receipt) => (
          <div class="stack">
            {receipt.verified === true && <Notice tone="good">Looked once more: nothing of it is left.</Notice>}
            {receipt.verified === false && <Notice tone="bad" role="alert">Something is left: {JSON.stringify(receipt.remains)}. Retry the job.</Notice>}
            <Facts
              of={[
                ["Status", <StatusBadge key="s" status={receipt.status} />],
                ["Erased", count(receipt.memories.erased)],
                ["Of which derived", count(receipt.memories.derived)],
                ["Were not there", receipt.memories.absent > 0 && count(receipt.memories.absent)],
                ["Asked", <Time key="t" at={receipt.requested_at} exact />],
                ["Ended", receipt.finished_at && <Time key="e" at={receipt.finished_at} exact />],
                ["Namespace", receipt.namespace ?? "all"],
                ["By key", receipt.requested_by && <code key="k">{receipt.requested_by}</code>],
                ["Job", <Link key="j" href={href(`/jobs/${receipt.job_id}`)}>{shortId(receipt.job_id)}</Link>],
                ["Hash of the request", <code key="h" class="tiny">{receipt.selection_hash}</code>],
              ]}
            />
            <details>
              <summary>Rows that went, by table</summary>
              <div class="row" style={{ marginTop: 8 }}>{Object.entries(receipt.counts).map(([name, n]) => <Badge key={name}>{name} {count(n)}</Badge>)}</div>
            </details>
          </div>
        )}
      </Shown>
    </Card>
  );
}
