/** What the background does and did: jobs of the namespace or of all, newest first. */

import { Link } from "wouter-preact";
import { useEffect } from "preact/hooks";
import { post } from "../../data/api";
import { useList } from "../../data/fetching";
import { useHref, useNamespace, useParameters } from "../../data/place";
import type { Schema } from "../../data/types";
import { plural, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { StatusBadge } from "../../ui/marks";
import { Button, Card, Empty, Meter, PageHead, Tabs } from "../../ui/parts";
import { attempt } from "../../ui/toasts";
import "./jobs.css";

type Job = Schema<"ListedJobOut">;
const STATUSES = ["all", "queued", "running", "succeeded", "failed", "cancelled"];
const REFRESH_MS = 4_000;

/** A name of a kind of job in words. */
export const kindInWords = (kind: string): string => kind.replaceAll("_", " ");

export default function Jobs() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const status = parameters.get("status") ?? "all";
  const everywhere = parameters.get("all") === "true";
  const list = useList<Job>("/v1/jobs", {
    namespace: everywhere ? null : namespace,
    status: status === "all" ? null : status,
  });
  const active = list.items.some((job) => job.status === "running" || job.status === "queued");
  useEffect(() => {
    if (!active) return undefined;
    const timer = setInterval(() => void list.refresh(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [active, list.refresh]);
  const consolidate = () =>
    void attempt(async () => {
      await post("/v1/consolidations", { namespace });
      await list.refresh();
    }, `Consolidation of ${namespace} began.`);
  return (
    <>
      <PageHead
        title="Jobs"
        actions={
          <>
            <label class="check">
              <input type="checkbox" checked={everywhere} onChange={(event) => change({ all: event.currentTarget.checked })} />
              All namespaces
            </label>
            <Button kind="primary" icon="play" onClick={consolidate}>Consolidate now</Button>
          </>
        }
      >
        Work in the background: enrichment, consolidation, imports, erasures. Each tells how far it is and what became of every item.
      </PageHead>
      <div class="stack">
        <Tabs label="Status" tabs={STATUSES.map((id) => ({ id, label: id }))} chosen={status} choose={(id) => change({ status: id === "all" ? null : id })} />
        <Card flush>
          <VirtualList
            label="Jobs"
            list={list}
            estimate={64}
            keyOf={(job) => job.id}
            row={(job) => <Row job={job} />}
            empty={
              <Empty icon="jobs" title={status === "all" ? "No job yet" : `No job is ${status}`}>
                <p>Every write is followed by a job that enriches it. Finished ones are kept for a while and then forgotten.</p>
              </Empty>
            }
          />
        </Card>
      </div>
    </>
  );
}

function Row({ job }: { job: Job }) {
  const href = useHref();
  return (
    <Link class="job-row" href={href(`/jobs/${job.id}`)}>
      <span class="job-kind">
        <strong>{kindInWords(job.kind)}</strong>
        <span class="faint small wrap-anywhere">{job.namespace ?? "all namespaces"}</span>
      </span>
      <StatusBadge status={job.status} />
      <span class="job-progress">
        {job.progress.total > 0 && job.status !== "succeeded" && <Meter value={job.progress.done / job.progress.total} label={`Progress of ${job.kind}`} />}
        <span class="small quiet number">
          {job.status === "succeeded" ? plural(job.progress.done, "item") : `${job.progress.done} of ${job.progress.total}`}
        </span>
      </span>
      <span class="small quiet"><Time at={job.created_at} /></span>
      {job.error && <span class="job-error small">{job.error}</span>}
    </Link>
  );
}
