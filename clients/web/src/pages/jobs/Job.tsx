/** One job: how far it is, what became of each item, what it changed. */

import { Link, useParams } from "wouter-preact";
import { post } from "../../data/api";
import { useProgress } from "../../data/events";
import { useRead } from "../../data/fetching";
import { useHref } from "../../data/place";
import type { Page, Schema } from "../../data/types";
import { count, shortId, Time } from "../../ui/format";
import { StatusBadge } from "../../ui/marks";
import { Badge, Button, Card, Facts, Meter, Notice, PageHead, Shown } from "../../ui/parts";
import { attempt } from "../../ui/toasts";
import { kindInWords } from "./Jobs";

type Job = Schema<"JobOut">;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const SHOWN = 500;

export default function JobPage() {
  const { id = "" } = useParams<{ id: string }>();
  const read = useRead<Job>(`/v1/jobs/${encodeURIComponent(id)}`);
  const running = read.data !== undefined && !ENDED.has(read.data.status);
  const live = useProgress(id, running, () => void read.mutate());
  return (
    <Shown read={read}>
      {(job) => <Details job={live && running ? { ...job, status: live.status as Job["status"], progress: live.progress } : job} refresh={() => read.mutate()} />}
    </Shown>
  );
}

function Details({ job, refresh }: { job: Job; refresh: () => Promise<unknown> }) {
  const href = useHref();
  const path = `/v1/jobs/${encodeURIComponent(job.id)}`;
  const act = (verb: "cancel" | "retry", text: string) => void attempt(() => post(`${path}/${verb}`).then(refresh), text);
  const ended = ENDED.has(job.status);
  const changesets = Array.isArray(job.result?.["changesets"]) ? (job.result["changesets"] as unknown[]).map(String) : [];
  return (
    <>
      <PageHead
        title={`Job: ${kindInWords(job.kind)}`}
        actions={
          <>
            {!ended && <Button icon="close" onClick={() => act("cancel", "The job is being cancelled.")}>Cancel</Button>}
            {ended && job.status !== "succeeded" && <Button kind="primary" icon="restore" onClick={() => act("retry", "The job was queued again.")}>Retry</Button>}
          </>
        }
      />
      <div class="sides">
        <div class="stack">
          {job.error && <Notice tone="bad" role="alert">{job.error}</Notice>}
          <Card title="Progress">
            <div class="stack-s">
              <div class="row-between">
                <StatusBadge status={job.status} />
                <span class="number quiet">{count(job.progress.done)} of {count(job.progress.total)}</span>
              </div>
              <Meter value={job.progress.total ? job.progress.done / job.progress.total : ended ? 1 : 0} label="Progress" />
            </div>
          </Card>
          {job.result && Object.keys(job.result).length > 0 && <Result result={job.result} />}
          {job.items.length === 0 ? (
            <Card title="Items"><p class="small faint">{ended ? "This kind of job reports as a whole." : "Outcomes appear when their batch is done."}</p></Card>
          ) : (
            <Card title="Items" flush><Items items={job.items} /></Card>
          )}
          <DeadLetters job={job} />
        </div>
        <div class="stack">
          <Card title="About">
            <Facts
              of={[
                ["Id", <code key="id">{job.id}</code>],
                ["Namespace", job.namespace ?? "all"],
                ["Created", <Time key="c" at={job.created_at} exact />],
                ["Started", job.started_at && <Time key="s" at={job.started_at} exact />],
                ["Ended", job.finished_at && <Time key="f" at={job.finished_at} exact />],
                ["Attempts", count(job.attempts)],
                ["Model calls", job.usage.calls > 0 && count(job.usage.calls)],
                ["Tokens", job.usage.calls > 0 && `${count(job.usage.prompt_tokens)} in, ${count(job.usage.completion_tokens)} out`],
              ]}
            />
          </Card>
          {changesets.length > 0 && (
            <Card title="Changesets">
              <ul class="stack-s">
                {changesets.map((id) => <li key={id}><Link href={href(`/changesets/${id}`)}>Changeset {shortId(id)}</Link></li>)}
              </ul>
            </Card>
          )}
        </div>
      </div>
    </>
  );
}

const isCounts = (value: unknown): value is Record<string, number> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((one) => typeof one === "number");
const isEmpty = (value: unknown): boolean => value === null || value === false || value === "" || (typeof value === "object" && Object.keys(value).length === 0);

/** What a job says it did: numbers as marks, words as they are, the rest behind a click. */
function Result({ result }: { result: Record<string, unknown> }) {
  const said = Object.entries(result).filter(([name, value]) => name !== "changesets" && !isEmpty(value));
  const plain = said.filter(([, value]) => typeof value !== "object" || isCounts(value));
  return (
    <Card title="Result">
      <div class="stack-s">
        <Facts
          of={plain.map(([name, value]) => [
            name.replaceAll("_", " "),
            isCounts(value) ? <span key={name} class="row">{Object.entries(value).map(([of, n]) => <Badge key={of}>{of.replaceAll("_", " ")} {count(n)}</Badge>)}</span> : typeof value === "number" ? count(value) : String(value),
          ])}
        />
        <details open={plain.length === 0}>
          <summary class="small">As the service answers it</summary>
          <pre class="small" tabIndex={0}>{JSON.stringify(result, null, 2)}</pre>
        </details>
      </div>
    </Card>
  );
}

function Items({ items }: { items: Job["items"] }) {
  const href = useHref();
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label="Outcome of each item">
      <table class="table">
        <thead><tr><th>Item</th><th>Outcome</th><th>Detail</th></tr></thead>
        <tbody>
          {items.slice(0, SHOWN).map((item, n) => {
            const id = typeof item["memory_id"] === "string" ? item["memory_id"] : typeof item["id"] === "string" ? item["id"] : null;
            const status = String(item["status"] ?? "");
            const rest = Object.entries(item).filter(([name, value]) => !["memory_id", "id", "status"].includes(name) && value !== null);
            return (
              <tr key={n}>
                <td>{id ? <Link href={href(`/memories/${id}`)}>{shortId(id)}</Link> : n + 1}</td>
                <td>{status && <StatusBadge status={status} />}</td>
                <td class="small quiet wrap-anywhere">{rest.map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(" · ")}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {items.length > SHOWN && <p class="small faint" style={{ padding: 12 }}>The first {count(SHOWN)} of {count(items.length)}.</p>}
    </div>
  );
}

function DeadLetters({ job }: { job: Job }) {
  const letters = useRead<Page<Schema<"DeadLetterOut">>>(job.usage.dead_letters > 0 ? `/v1/jobs/${encodeURIComponent(job.id)}/dead-letters` : null);
  if (!letters.data?.data.length) return null;
  return (
    <Card title="Replies of the model that could not be used">
      <div class="stack">
        {letters.data.data.map((letter) => (
          <details key={letter.id}>
            <summary><Badge tone="bad">{letter.task}</Badge> {letter.error}</summary>
            <pre class="small" tabIndex={0}>{letter.reply}</pre>
          </details>
        ))}
      </div>
    </Card>
  );
}
