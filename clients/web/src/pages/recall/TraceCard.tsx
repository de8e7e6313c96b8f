/** The stored record of the search: its stages, and whether the same search would find the same now. */

import { useRead } from "../../data/fetching";
import { useParameters } from "../../data/place";
import type { Schema } from "../../data/types";
import { fullTime, shortId } from "../../ui/format";
import { Button, Card, Facts, Shown } from "../../ui/parts";
import type { Search } from "./settings";

/** What a stored search keeps beside the fields that are always there. */
type Trace = Schema<"TraceOut"> & { found?: number; candidates?: number; asked_as?: string; reranker?: string | null };

const STAGES = ["encode", "candidates", "graph", "fuse", "rerank"] as const;
const MEANS = { encode: "the query becomes a vector", candidates: "channels propose", graph: "activation spreads", fuse: "scores are added", rerank: "a reranker looks again" };

/** How long each stage took, one after the other. */
export function Timings({ timings }: { timings: Search["timings_ms"] }) {
  const sum = STAGES.reduce((total, stage) => total + timings[stage], 0);
  const whole = Math.max(timings.total, sum) || 1;
  let at = 0;
  return (
    <div class="stages" role="img" aria-label={`${STAGES.map((stage) => `${stage} ${timings[stage].toFixed(1)} ms`).join(", ")}; ${timings.total.toFixed(1)} ms in all`}>
      {STAGES.filter((stage) => timings[stage] > 0).map((stage) => {
        const from = at;
        at += timings[stage];
        return (
          <div key={stage} class="stage tiny" title={MEANS[stage]}>
            <span class="faint">{stage}</span>
            <span class="stage-line"><span style={{ left: `${(from / whole) * 100}%`, width: `${Math.max(0.6, (timings[stage] / whole) * 100)}%` }} /></span>
            <span class="number">{timings[stage].toFixed(1)} ms</span>
          </div>
        );
      })}
      <div class="stage tiny"><span class="faint">in all</span><span /><b class="number">{timings.total.toFixed(1)} ms</b></div>
    </div>
  );
}

function Replayed({ replay, found }: { replay: NonNullable<Trace["replay"]>; found: number }) {
  if (replay.same) return <p class="small">Asked again with what was known on {fullTime(replay.as_of)}: the same {found} in the same order.</p>;
  return (
    <div class="small stack-s">
      <p>Asked again as of {fullTime(replay.as_of)}: {replay.differences.length} stand elsewhere{replay.erased_since > 0 && `, ${replay.erased_since} were erased since`}.</p>
      <ul>{replay.differences.map((one) => <li key={one.memory_id}><code>{shortId(one.memory_id)}</code> {one.was ?? "absent"} → {one.now ?? "absent"}</li>)}</ul>
    </div>
  );
}

export function TraceCard({ search }: { search: Search }) {
  const [parameters, change] = useParameters();
  const replay = parameters.get("replay") === "1";
  const read = useRead<Trace>(`/v1/traces/${search.search_id}`, { replay: replay ? true : null });
  return (
    <Card title="Stages" actions={<Button kind="quiet" small icon="play" aria-pressed={replay} onClick={() => change({ replay: !replay })}>Replay</Button>}>
      <div class="stack-s">
        <Timings timings={search.timings_ms} />
        <Shown read={read} lines={3}>
          {(trace) => (
            <>
              <Facts
                of={[
                  ["Trace", <code key="id">{trace.search_id}</code>],
                  ["Ranked", trace.candidates !== undefined && `${trace.candidates.toLocaleString("en")} memories, ${trace.found ?? trace.results.length} found, ${trace.near_misses.length} just missed`],
                  ["Encoded as", trace.asked_as !== trace.query && trace.asked_as],
                  ["Reranker", trace.reranker],
                  ["Kept until", fullTime(trace.expires_at)],
                ]}
              />
              {replay && (trace.replay ? <Replayed replay={trace.replay} found={trace.results.length} /> : <p class="small faint">Asking again…</p>)}
            </>
          )}
        </Shown>
      </div>
    </Card>
  );
}
