/** One result: where it stands, why, and what one thinks of it. */

import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { post } from "../../data/api";
import type { Memory } from "../../data/memories";
import { useHref } from "../../data/place";
import { ChannelBars, ChannelFigures, channelColour, signed } from "../../ui/channels";
import { Circumstances, Marks, MemoryLink } from "../../ui/memory";
import { Button } from "../../ui/parts";
import { done, failed } from "../../ui/toasts";
import type { Result } from "./settings";

interface Props {
  result: Result;
  searchId: string;
  scale: [number, number];
  /** Its rank without each channel; null: it would not be found. */
  without: Record<string, number | null> | undefined;
  judged: boolean | undefined;
  onJudged: (useful: boolean) => void;
  /** Whether it is marked as part of the answer of a query that is about to be saved. */
  relevant: boolean | null;
  onRelevant: (relevant: boolean) => void;
}

function Beside({ memory }: { memory: Memory }) {
  return <li><MemoryLink memory={memory} /> <Circumstances memory={memory} /></li>;
}

/** What of a result is a signal, by name: counted in its channel already. */
function Signals({ signals }: { signals: Record<string, number> }) {
  const said = Object.entries(signals).filter(([, value]) => value !== 0);
  if (!said.length) return null;
  return <span class="tiny faint">Signals in it: {said.map(([name, value]) => `${name} ${signed(value)}`).join(", ")}</span>;
}

export function ResultCard({ result, searchId, scale, without, judged, onJudged, relevant, onRelevant }: Props) {
  const href = useHref();
  const [open, setOpen] = useState(false);
  const { memory } = result;
  const judge = async (useful: boolean) => {
    try {
      const answer = await post<{ stability_days: number }>(`/v1/traces/${searchId}/feedback`, { memory_id: memory.id, useful });
      onJudged(useful);
      done(`${useful ? "Useful: it fades more slowly" : "Not useful: it fades sooner"}, stability ${memory.retention.stability_days.toFixed(1)} → ${answer.stability_days.toFixed(1)} days.`);
    } catch (error) {
      failed(error);
    }
  };
  const moved = Object.entries(without ?? {}).filter(([, rank]) => rank !== result.rank);
  const before = result.neighbours.filter((one) => one.observed_at < memory.observed_at);
  const after = result.neighbours.filter((one) => one.observed_at >= memory.observed_at);
  return (
    <li class="result" data-superseded={result.superseded_by !== null} aria-label={`Rank ${result.rank}`}>
      <div class="result-rank number" title="Rank">{result.rank}</div>
      <div class="stack-s">
        {before.length > 0 && <ul class="beside" aria-label="Before it">{before.map((one) => <Beside key={one.id} memory={one} />)}</ul>}
        <div class="result-text"><MemoryLink memory={memory} /></div>
        {after.length > 0 && <ul class="beside" aria-label="After it">{after.map((one) => <Beside key={one.id} memory={one} />)}</ul>}
        <div class="row memory-row-marks">
          <Marks memory={memory} />
          {result.superseded_by && <Link class="small" href={href(`/memories/${result.superseded_by}`)}>what superseded it</Link>}
          <Circumstances memory={memory} />
        </div>
        <ChannelBars channels={result.channels} scale={scale} />
        <p class="small quiet">{result.why}</p>
        {moved.length > 0 && (
          <div class="row tiny" aria-label="Ranks without each channel">
            {moved.map(([name, rank]) => (
              <span key={name} class="without" title={`Rank without the channel ${name}`}>
                <span class="dot" style={{ background: channelColour(name) }} /> without {name}: <b class="number">{rank === null ? "not found" : `#${rank}`}</b>
              </span>
            ))}
          </div>
        )}
        {open && (
          <div class="stack-s result-more">
            <ChannelFigures channels={result.channels} />
            <Signals signals={result.signals} />
            {without && moved.length === 0 && <span class="tiny faint">It stands at this rank without any one channel, too.</span>}
          </div>
        )}
        <div class="row">
          <span class="small"><span class="faint">score</span> <b class="number">{result.score.toFixed(2)}</b></span>
          <Button kind="quiet" small icon={open ? "down" : "right"} aria-expanded={open} onClick={() => setOpen(!open)}>Numbers</Button>
          <span class="grow" />
          {relevant !== null ? (
            <label class="check small"><input type="checkbox" checked={relevant} onChange={(event) => onRelevant(event.currentTarget.checked)} /> belongs to the answer</label>
          ) : (
            <span class="row judge">
              <Button kind="quiet" small icon="good" aria-pressed={judged === true} onClick={() => void judge(true)}>Useful</Button>
              <Button kind="quiet" small icon="close" aria-pressed={judged === false} onClick={() => void judge(false)}>Not useful</Button>
            </span>
          )}
        </div>
      </div>
    </li>
  );
}
