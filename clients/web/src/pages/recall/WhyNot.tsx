/** "Why not this one?": at which stage a memory fell out of the search, and what would have brought it in. */

import { useEffect, useRef, useState } from "preact/hooks";
import { usePosted } from "../../data/fetching";
import { useFilteredMemories, useMemoriesById } from "../../data/memories";
import type { Schema } from "../../data/types";
import { channelColour, ChannelBars, scaleOf, signed } from "../../ui/channels";
import { Circumstances, NamedMemory } from "../../ui/memory";
import { Button, Card, Facts, Notice, Shown } from "../../ui/parts";
import { TypedInput } from "../../ui/typed";
import { type Settings, weightsText } from "./settings";

type Answer = Schema<"WhyNotOut">;

const MOST_RESULTS = 200; // that one search answers
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** The gates that a memory passes, in order; the last one is to be a result. */
const GATES: { name: string; stages: Answer["stage"][] }[] = [
  { name: "known then", stages: ["not_yet_known"] },
  { name: "in the namespace", stages: ["other_namespace"] },
  { name: "not archived", stages: ["archived"] },
  { name: "not expired", stages: ["expired"] },
  { name: "passes the filter", stages: ["filtered"] },
  { name: "a candidate", stages: ["not_a_candidate"] },
  { name: "high enough", stages: ["below_top_k"] },
  { name: "within the budget", stages: ["budget"] },
  { name: "found", stages: [] },
];

function Gates({ stage }: { stage: Answer["stage"] }) {
  const at = GATES.findIndex((gate) => gate.stages.includes(stage));
  const fell = at === -1 ? GATES.length : at;
  return (
    <ol class="gates tiny">
      {GATES.map((gate, n) => (
        <li key={gate.name} data-gate={n < fell ? "passed" : n === fell ? "fell" : "not reached"}>
          {gate.name}
          <span class="visually-hidden">: {n < fell ? "passed" : n === fell ? "fell out here" : "not reached"}</span>
        </li>
      ))}
    </ol>
  );
}

function Verdict({ answer, apply }: { answer: Answer; apply: (changes: Settings) => void }) {
  const sides: [string, NonNullable<Answer["channels"]>][] = [];
  if (answer.channels) sides.push(["this one", answer.channels]);
  if (answer.last_result && answer.stage !== "found") sides.push(["the last result", answer.last_result.channels]);
  const scale = scaleOf(sides.map(([, channels]) => channels));
  const remedy = answer.would_bring_it_in;
  return (
    <div class="stack-s">
      <Gates stage={answer.stage} />
      <Notice tone={answer.stage === "found" ? "good" : "warn"} role="status">{answer.detail}</Notice>
      {sides.map(([name, channels]) => (
        <div key={name} class="side-bar small"><span class="faint">{name}</span><ChannelBars channels={channels} scale={scale} /></div>
      ))}
      <Facts
        of={[
          ["Rank", answer.rank],
          ["Score", answer.score !== null && `${answer.score.toFixed(2)}${answer.last_result && answer.stage !== "found" ? `; the last result has ${answer.last_result.score.toFixed(2)}` : ""}`],
          ["Missing", answer.missing_score !== null && answer.missing_score.toFixed(2)],
          ["Costs", answer.costs && (
            <span class="row" key="costs">
              {Object.entries(answer.costs).filter(([, cost]) => Math.abs(cost) >= 0.005).sort(([, a], [, b]) => b - a).map(([name, cost]) => (
                <span key={name} class="row small"><span class="dot" style={{ background: channelColour(name) }} />{name} {signed(-cost)}{name === answer.dearest_channel && " (most)"}</span>
              ))}
            </span>
          )],
          ["Fails", answer.excluded_by.length > 0 && <ul key="fails">{answer.excluded_by.map((one, n) => <li key={n}>{one.part}{one.condition && <>: <code>{one.condition}</code></>}</li>)}</ul>],
          ["Budget", answer.budget && `${answer.budget.used} of ${answer.budget.limit} tokens are used, it has ${answer.budget.tokens}`],
          ["Cosine", answer.cosine !== null && answer.cosine.toFixed(3)],
          ["Shared words", answer.matched_terms.join(", ")],
        ]}
      />
      {remedy && answer.stage !== "found" && (remedy.top_k <= MOST_RESULTS || remedy.channels) && (
        <div class="row">
          <span class="small faint">Would bring it in:</span>
          {remedy.top_k <= MOST_RESULTS && <Button small onClick={() => apply({ k: String(remedy.top_k) })}>{remedy.top_k} results</Button>}
          {remedy.channels && <Button small onClick={() => apply({ channels: weightsText(remedy.channels as Record<string, number>) })}>{Object.entries(remedy.channels).map(([name, factor]) => `${name} × ${factor}`).join(", ")}</Button>}
        </div>
      )}
    </div>
  );
}

/** Find a memory by words in it. */
function Pick({ namespace, choose }: { namespace: string; choose: (id: string) => void }) {
  const [text, setText] = useState("");
  const searched = text.trim().length > 1 && !ID.test(text.trim());
  const list = useFilteredMemories(searched ? namespace : null, { AND: [{ content: { icontains: text.trim() || "\u2060" } }, { state: { exists: true } }] }, "newest", 8);
  return (
    <div class="stack-s">
      <TypedInput type="search" aria-label="Words of a memory, or its id" placeholder="words of a memory, or its id" value={text} onValue={(value) => { setText(value); if (ID.test(value.trim())) choose(value.trim().toLowerCase()); }} />
      {searched && (
        <ul class="picks" aria-label="Memories with these words">
          {list.items.map((memory) => (
            <li key={memory.id}>
              <button type="button" class="pick" onClick={() => choose(memory.id)}>
                <span class="clamp-2">{memory.content}</span>
                <Circumstances memory={memory} />
              </button>
            </li>
          ))}
          {!list.items.length && !list.loading && <li class="small faint">No memory has these words.</li>}
        </ul>
      )}
    </div>
  );
}

interface Props {
  searchId: string;
  namespace: string;
  chosen: string | null;
  choose: (id: string | null) => void;
  apply: (changes: Settings) => void;
}

export function WhyNot({ searchId, namespace, chosen, choose, apply }: Props) {
  const read = usePosted<Answer>(chosen ? `/v1/traces/${searchId}/why-not` : null, { memory_id: chosen }, { keepPreviousData: false });
  const { memories, loading } = useMemoriesById(chosen ? [chosen] : []);
  const element = useRef<HTMLDivElement>(null);
  // It may be asked from far below, or stand far below on a narrow window.
  useEffect(() => { if (chosen) element.current?.scrollIntoView({ block: "nearest" }); }, [chosen]);
  return (
    <div ref={element} class="why-not-place">
    <Card title="Why not this one?" class="why-not" actions={chosen && <Button kind="quiet" small icon="close" onClick={() => choose(null)}>Another one</Button>}>
      {chosen ? (
        <div class="stack-s">
          <p class="small"><NamedMemory id={chosen} memories={memories} loading={loading} /></p>
          <Shown read={read}>{(answer) => <Verdict answer={answer} apply={apply} />}</Shown>
        </div>
      ) : (
        <>
          <p class="small quiet">Choose any memory; the search is made again as of its time and says where that one fell out.</p>
          <Pick namespace={namespace} choose={choose} />
        </>
      )}
    </Card>
    </div>
  );
}
