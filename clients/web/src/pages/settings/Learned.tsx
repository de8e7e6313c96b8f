/** What feedback taught a namespace: the factors in force, every proposal and what became of it, and the way back. */

import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { patch, post } from "../../data/api";
import { useList, useRead } from "../../data/fetching";
import { useHref } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { channelColour } from "../../ui/channels";
import { plural, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { StatusBadge } from "../../ui/marks";
import { Badge, Button, ButtonTwice, Card, Empty, Shown } from "../../ui/parts";
import { attempt, failed } from "../../ui/toasts";
import { factorsOf, unseenOf } from "./fusion";

type Namespace = Schema<"CountedNamespaceOut">;
type Proposal = Schema<"WeightsOut">;
type Job = Schema<"JobOut">;

const REFRESH_MS = 1_500;
const TONES = { accepted: "good", refused: "plain", reverted: "warn" } as const;

export function Learned({ namespace }: { namespace: string }) {
  const may = useMay("memories:write");
  const path = `/v1/namespaces/${encodeURIComponent(namespace)}`;
  const read = useRead<Namespace>(path);
  const proposals = useList<Proposal>("/v1/fusion-weights", { namespace });
  const [job, setJob] = useState<string | null>(null);
  const refresh = () => Promise.all([read.mutate(), proposals.refresh()]);
  const switchTo = (learn: boolean) => patch(path, { settings: { fusion: { learn } } }).then(() => read.mutate());
  const learn = async () => {
    try {
      setJob((await post<{ job_id: string }>("/v1/fusion-weights/learn", { namespace })).job_id);
    } catch (error) {
      failed(error);
    }
  };
  return (
    <Card title="Learned from feedback" flush>
      <div class="learned">
        <p class="small quiet">What people and agents call useful or useless teaches factors on the channels, 0.5 to 2. A proposal is put in force only if it does better on the saved queries below that it has not seen, and harms none that a person saved.</p>
        <Shown read={read} lines={2}>
          {(space) => (
            <>
              <label class="check">
                <input type="checkbox" disabled={!may} checked={space.settings.fusion.learn} onChange={(event) => { const on = event.currentTarget.checked; void attempt(() => switchTo(on), `${namespace} ${on ? "learns" : "does not learn"} from feedback.`, () => switchTo(!on)); }} />
                Learn by itself, after every ten new judgements
              </label>
              <div class="row" role="group" aria-label="Factors in force">
                {factorsOf(space.factors).length ? <Factors of={space.factors} /> : <span class="small quiet">No factors are in force: every channel counts as usual.</span>}
              </div>
              {may && (
                <div class="row">
                  <Button icon="play" busy={job !== null} onClick={() => void learn()}>Learn now</Button>
                  {Object.keys(space.factors).length > 0 && (
                    <ButtonTwice icon="undo" sure="Back to the factors before" onClick={() => void attempt(() => post("/v1/fusion-weights/revert", { namespace }).then(refresh), "The factors before are in force.")}>Take back</ButtonTwice>
                  )}
                  {job !== null && <Running key={job} id={job} onDone={() => { setJob(null); void refresh(); }} />}
                </div>
              )}
            </>
          )}
        </Shown>
      </div>
      <VirtualList
        label="Proposals"
        list={proposals}
        estimate={86}
        keyOf={(one) => one.id}
        row={(one) => <Row proposal={one} />}
        empty={<Empty icon="recall" title="Nothing was proposed yet"><p>Learning needs ten judged searches and ten saved queries. Judge results in the recall lab, or send feedback on what an answer used.</p></Empty>}
      />
    </Card>
  );
}

function Factors({ of }: { of: Record<string, number> }) {
  return (
    <>
      {factorsOf(of).map(([name, factor]) => (
        <span key={name} class="learned-factor small"><span class="dot" style={{ background: channelColour(name) }} />{name} <b class="number">× {factor.toFixed(2)}</b></span>
      ))}
    </>
  );
}

/** A job that learns, until it has ended. */
function Running({ id, onDone }: { id: string; onDone: () => void }) {
  const href = useHref();
  const read = useRead<Job>(`/v1/jobs/${id}`, undefined, { refreshInterval: REFRESH_MS });
  const status = read.data?.status;
  const over = status !== undefined && status !== "queued" && status !== "running";
  useEffect(() => {
    if (!over) return;
    if (status !== "succeeded") failed(new Error(`The job that learns ${status}.`));
    onDone();
  }, [over]);
  return <Link class="row small" href={href(`/jobs/${id}`)}>Learning {status && <StatusBadge status={status} />}</Link>;
}

function Row({ proposal }: { proposal: Proposal }) {
  const seen = unseenOf(proposal.evaluation);
  return (
    <article class="setting-row" aria-label={`Proposal, ${proposal.status}`}>
      <div class="stack-s grow">
        <div class="row">
          <Badge tone={TONES[proposal.status]}>{proposal.status}</Badge>
          {proposal.status === "accepted" && !proposal.known_to && <Badge tone="accent">in force</Badge>}
          <Factors of={proposal.factors} />
        </div>
        <span class="small wrap-anywhere">{proposal.reason}</span>
        {seen && (
          <span class="small quiet">
            On {plural(seen.searches, "query", "queries")} it had not seen: nDCG@10 {seen.before.ndcg.toFixed(3)} → {seen.after.ndcg.toFixed(3)}, recall@10 {seen.before.recall.toFixed(3)} → {seen.after.recall.toFixed(3)}; {seen.better} better, {seen.worse} worse{seen.broken ? `, ${seen.broken} saved by hand lost recall` : ""}.
          </span>
        )}
      </div>
      <span class="small faint"><Time at={proposal.decided_at} /></span>
    </article>
  );
}
