/** Two settings side by side: on the query at hand, and on every saved query. */

import { useState } from "preact/hooks";
import useSWR from "swr";
import { post } from "../../data/api";
import { usePosted } from "../../data/fetching";
import type { Memory } from "../../data/memories";
import type { Schema } from "../../data/types";
import { ChannelBars, scaleOf } from "../../ui/channels";
import { percent } from "../../ui/format";
import { MemoryLink } from "../../ui/memory";
import { Button, Card, Empty, Failed, Loading } from "../../ui/parts";
import { moves, recallOf, reciprocalRank } from "./comparing";
import { bodyOf, inWords, type Search, type Settings } from "./settings";

type Saved = Schema<"SavedQueryOut">;
interface Pair {
  a: Settings;
  b: Settings;
  namespace: string;
}

function Change({ rose, a }: { rose: number | null; a: number | null }) {
  if (rose === null) return <span class={a === null ? "moved moved-in" : "moved moved-down"}>{a === null ? "new" : "gone"}</span>;
  if (rose === 0) return <span class="moved faint">=</span>;
  return <span class={rose > 0 ? "moved moved-up" : "moved moved-down"}><span aria-hidden="true">{rose > 0 ? "▲" : "▼"}</span><span class="visually-hidden">{rose > 0 ? "up" : "down"}</span> {Math.abs(rose)}</span>;
}

/** Both rankings of one query as one table, in the order of B. */
export function TwoRankings({ a, b, relevant }: { a: Search; b: Search; relevant: readonly string[] }) {
  const results = new Map([...a.results, ...b.results].map((one) => [one.memory.id, one]));
  const channels = { a: new Map(a.results.map((one) => [one.memory.id, one.channels])), b: new Map(b.results.map((one) => [one.memory.id, one.channels])) };
  const scale = scaleOf([...channels.a.values(), ...channels.b.values()]);
  const rows = moves(a.results.map((one) => one.memory.id), b.results.map((one) => one.memory.id));
  return (
    <div class="table-wrap">
      <table class="table compare-table">
        <thead><tr><th class="right">A</th><th class="right">B</th><th>Change</th><th>Memory</th><th>Channels, A above B</th></tr></thead>
        <tbody>
          {rows.map((row) => {
            const memory = results.get(row.id)?.memory as Memory;
            const [inA, inB] = [channels.a.get(row.id), channels.b.get(row.id)];
            return (
              <tr key={row.id} data-relevant={relevant.includes(row.id)}>
                <td class="right">{row.a ?? "—"}</td>
                <td class="right"><b>{row.b ?? "—"}</b></td>
                <td><Change rose={row.rose} a={row.a} /></td>
                <td>{relevant.includes(row.id) && <span class="badge badge-good">relevant</span>} <MemoryLink memory={memory}><span class="clamp-2">{memory.content}</span></MemoryLink></td>
                <td class="compare-bars">{inA && <ChannelBars thin channels={inA} scale={scale} />}{inB && <ChannelBars thin channels={inB} scale={scale} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

export function CompareQuery({ query, a, b, namespace }: Pair & { query: string }) {
  const first = usePosted<Search>("/v1/search", bodyOf(query, namespace, a), { keepPreviousData: false });
  const second = usePosted<Search>("/v1/search", bodyOf(query, namespace, b), { keepPreviousData: false });
  const error = first.error ?? second.error;
  if (error) return <Failed error={error} retry={() => { void first.mutate(); void second.mutate(); }} />;
  if (!first.data || !second.data) return <Loading lines={6} />;
  const same = moves(first.data.results.map((one) => one.memory.id), second.data.results.map((one) => one.memory.id)).every((row) => row.rose === 0);
  return (
    <Card title={<>“{query}”</>} flush>
      <div class="row small compare-head">
        <span><b>A</b> {inWords(a)} · confidence {first.data.confidence.toFixed(2)} · {first.data.timings_ms.total.toFixed(0)} ms</span>
        <span><b>B</b> {inWords(b)} · confidence {second.data.confidence.toFixed(2)} · {second.data.timings_ms.total.toFixed(0)} ms</span>
        {same && <span class="badge badge-info">the same ranking</span>}
      </div>
      <TwoRankings a={first.data} b={second.data} relevant={[]} />
    </Card>
  );
}

interface Tried {
  saved: Saved;
  a: Search;
  b: Search;
}

/** Both settings on every saved query, one query at a time: the service is not to be flooded by a page. */
async function tryAll(saved: readonly Saved[], { a, b, namespace }: Pair): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const one of saved) {
    const filtered = (settings: Settings): Settings => (one.filter && !settings.filter ? { ...settings, filter: JSON.stringify(one.filter) } : settings);
    const [first, second] = await Promise.all([a, b].map((settings) => post<Search>("/v1/search", bodyOf(one.query, namespace, filtered(settings)))));
    tried.push({ saved: one, a: first as Search, b: second as Search });
  }
  return tried;
}

const mean = (values: (number | null)[]): number | null => {
  const said = values.filter((value): value is number => value !== null);
  return said.length ? said.reduce((sum, value) => sum + value, 0) / said.length : null;
};
const ids = (search: Search) => search.results.map((one) => one.memory.id);
const share = (value: number | null) => (value === null ? "—" : percent(value));

export function CompareSaved({ saved, ...pair }: Pair & { saved: readonly Saved[] }) {
  const [open, setOpen] = useState<string | null>(null);
  const read = useSWR<Tried[], Error>(saved.length ? ["saved queries", pair.namespace, JSON.stringify([saved.map((one) => one.id), pair.a, pair.b])] : null, () => tryAll(saved, pair), { revalidateOnFocus: false, revalidateIfStale: false, keepPreviousData: false });
  if (!saved.length)
    return (
      <Card>
        <Empty icon="recall" title="No saved queries in this namespace">
          <p>A saved query knows which memories belong to its answer, so that settings can be measured. Ask something in the lab and press “Save this query”; useful feedback saves some by itself where weights are learned.</p>
        </Empty>
      </Card>
    );
  if (read.error) return <Failed error={read.error} retry={() => void read.mutate()} />;
  if (!read.data) return <Loading lines={6} label={`Asking ${saved.length} queries twice`} />;
  const tried = read.data;
  const figures = (["a", "b"] as const).map((side) => ({
    side,
    recall: mean(tried.map((one) => recallOf(ids(one[side]), one.saved.relevant))),
    first: mean(tried.map((one) => reciprocalRank(ids(one[side]), one.saved.relevant))),
    took: mean(tried.map((one) => one[side].timings_ms.total)),
  }));
  return (
    <Card title={`${saved.length} saved ${saved.length === 1 ? "query" : "queries"}`} flush>
      <div class="row compare-head small">
        {figures.map((one) => (
          <span key={one.side}><b>{one.side.toUpperCase()}</b> {inWords(pair[one.side])}: recall {share(one.recall)}, reciprocal rank {one.first?.toFixed(2)}, {one.took?.toFixed(0)} ms</span>
        ))}
      </div>
      <div class="table-wrap">
        <table class="table">
          <thead><tr><th>Query</th><th class="right">Recall A</th><th class="right">Recall B</th><th class="right">Rank of the first relevant, A → B</th><th><span class="visually-hidden">Details</span></th></tr></thead>
          <tbody>
            {read.data.map((one) => {
              const [recallA, recallB] = [recallOf(ids(one.a), one.saved.relevant), recallOf(ids(one.b), one.saved.relevant)];
              const rank = (search: Search) => { const at = ids(search).findIndex((id) => one.saved.relevant.includes(id)); return at < 0 ? "—" : String(at + 1); };
              const shown = open === one.saved.id;
              return [
                <tr key={one.saved.id}>
                  <td>{one.saved.query} {one.saved.source === "feedback" && <span class="badge">from feedback</span>}</td>
                  <td class="right">{share(recallA)}</td>
                  <td class="right"><span class={recallA !== null && recallB !== null && recallA !== recallB ? (recallB > recallA ? "moved-up" : "moved-down") : ""}>{share(recallB)}</span></td>
                  <td class="right">{rank(one.a)} → {rank(one.b)}</td>
                  <td class="right"><Button kind="quiet" small icon={shown ? "down" : "right"} aria-expanded={shown} aria-label={`Rankings of ${one.saved.query}`} onClick={() => setOpen(shown ? null : one.saved.id)} /></td>
                </tr>,
                shown && <tr key={`${one.saved.id} open`}><td colSpan={5}><TwoRankings a={one.a} b={one.b} relevant={one.saved.relevant} /></td></tr>,
              ];
            })}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
