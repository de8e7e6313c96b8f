/** One changeset: each change with what was before, what is after, why, and by which method. */

import { Link, useParams } from "wouter-preact";
import { useList, useRead } from "../../data/fetching";
import { useHref, useParameters } from "../../data/place";
import { type Memory, useMemoriesById } from "../../data/memories";
import type { Schema } from "../../data/types";
import { count, shortId, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { StatusBadge } from "../../ui/marks";
import { NamedMemory } from "../../ui/memory";
import { Badge, Card, Empty, Facts, PageHead, Shown } from "../../ui/parts";
import { RevertButton } from "./revert";
import "./changesets.css";

type Change = Schema<"ChangeOut">;
type Changeset = Schema<"ChangesetOut">;

export default function ChangesetPage() {
  const { id = "" } = useParams<{ id: string }>();
  const path = `/v1/changesets/${encodeURIComponent(id)}`;
  const read = useRead<Changeset>(path);
  const list = useList<Change>(`${path}/changes`, {}, 200);
  const href = useHref();
  const [parameters, change] = useParameters();
  const step = parameters.get("step");
  const steps = [...new Set(list.items.map((one) => one.step))];
  const { memories, loading } = useMemoriesById(list.items.flatMap((one) => [one.memory_id, one.other_id]).filter((id) => id !== null));
  const shown = step ? { ...list, items: list.items.filter((one) => one.step === step) } : list;
  return (
    <Shown read={read}>
      {(changeset) => (
        <>
          <PageHead
            title={`Changeset ${shortId(changeset.id)}`}
            actions={changeset.status === "applied" && <RevertButton id={changeset.id} after={async () => { await read.mutate(); await list.refresh(); }} />}
          >
            {changeset.kind}: {Object.entries(changeset.counts).map(([name, n]) => `${name} ${count(n)}`).join(", ") || "no change"}
          </PageHead>
          <div class="sides">
            <Card
              flush
              title="Changes"
              actions={
                <label class="row small">
                  Step
                  <select class="select" style={{ width: "auto" }} value={step ?? ""} onChange={(event) => change({ step: event.currentTarget.value })}>
                    <option value="">all</option>
                    {steps.map((one) => <option key={one} value={one}>{one}</option>)}
                  </select>
                </label>
              }
            >
              <VirtualList label="Changes" list={shown} estimate={110} keyOf={(one) => String(one.ordinal)} row={(one) => <Row change={one} memories={memories} loading={loading} />} empty={<Empty icon="changesets" title="No changes of this step" />} />
            </Card>
            <Card title="About">
              <Facts
                of={[
                  ["Id", <code key="id">{changeset.id}</code>],
                  ["Status", <StatusBadge key="s" status={changeset.status} />],
                  ["Namespace", changeset.namespace],
                  ["Applied", <Time key="a" at={changeset.created_at} exact />],
                  ["Reverted", changeset.reverted_at && <Time key="r" at={changeset.reverted_at} exact />],
                  ["Job", changeset.job_id && <Link key="j" href={href(`/jobs/${changeset.job_id}`)}>{shortId(changeset.job_id)}</Link>],
                ]}
              />
            </Card>
          </div>
        </>
      )}
    </Shown>
  );
}

const said = (value: unknown): string => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
/** Which fields the service worked out is how it keeps its books, not what changed. */
const BOOKKEEPING = new Set(["computed"]);

interface Of {
  memories: ReadonlyMap<string, Memory>;
  loading: boolean;
}

function Row({ change, memories, loading }: { change: Change } & Of) {
  const before = change.before ?? {};
  const after = change.after ?? {};
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => !BOOKKEEPING.has(name) && said(before[name]) !== said(after[name]));
  return (
    <div class="changeset-row">
      <div class="stack-s grow">
        <div class="row">
          <Badge tone="accent">{change.change}</Badge>
          <Badge>{change.step}</Badge>
          <span class="small quiet">{change.reason}</span>
          {change.score !== null && <span class="small faint number">score {change.score.toFixed(2)}</span>}
          <span class="tiny faint">{change.method}</span>
        </div>
        {change.memory_id && <div class="clamp-2"><NamedMemory id={change.memory_id} memories={memories} loading={loading} /></div>}
        {change.other_id && <div class="clamp-2 small"><span class="faint">with</span> <NamedMemory id={change.other_id} memories={memories} loading={loading} /></div>}
        {fields.length > 0 && (
          <div class="change-values">
            {fields.map((name) => (
              <div key={name}>
                <span class="faint">{name}: </span>
                {said(before[name]) && <del>{said(before[name])}</del>} {said(after[name]) && <ins>{said(after[name])}</ins>}
              </div>
            ))}
          </div>
        )}
      </div>
    </div>
  );
}
