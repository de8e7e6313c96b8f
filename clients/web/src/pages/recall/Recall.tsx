/** The recall lab: ask as an agent does, see why it was answered so, and what other settings would change. */

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { ApiError, post, remove } from "../../data/api";
import { useList, usePosted } from "../../data/fetching";
import { useNamespace, useParameters } from "../../data/place";
import type { Schema } from "../../data/types";
import { CHANNELS, channelColour, scaleOf } from "../../ui/channels";
import { Badge, Button, ButtonTwice, Card, Empty, Failed, Loading, Notice, PageHead, Tabs } from "../../ui/parts";
import { attempt, done, failed } from "../../ui/toasts";
import { CompareQuery, CompareSaved } from "./Compare";
import { NearMisses } from "./NearMisses";
import "./recall.css";
import { ResultCard } from "./ResultCard";
import { bodyOf, changesOf, filterFault, inWords, SECOND, type Search, type Settings, settingsOf } from "./settings";
import { SettingsForm } from "./SettingsForm";
import { TraceCard } from "./TraceCard";
import { Understood } from "./Understood";
import { WhyNot } from "./WhyNot";

type Saved = Schema<"SavedQueryOut">;
const TABS = [{ id: "one", label: "One search" }, { id: "two", label: "Two settings" }, { id: "saved", label: "On saved queries" }];

function Legend() {
  return <div class="row tiny faint channel-legend">{CHANNELS.map((name) => <span key={name} class="row"><span class="dot" style={{ background: channelColour(name) }} />{name}</span>)}</div>;
}

function QueryForm({ query, ask }: { query: string; ask: (query: string) => void }) {
  const [text, setText] = useState(query);
  useLayoutEffect(() => setText(query), [query]);
  return (
    <form class="query-form" onSubmit={(event) => { event.preventDefault(); ask(text.trim()); }}>
      <label class="grow">
        <span class="visually-hidden">Query</span>
        <textarea class="input query-text" rows={1} placeholder="What do you want to know?" value={text} onInput={(event) => setText(event.currentTarget.value)} onKeyDown={(event) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); ask(text.trim()); } }} />
      </label>
      <Button type="submit" kind="primary" icon="recall" disabled={!text.trim()}>Ask</Button>
    </form>
  );
}

/** Settings of one side, folded until they are wanted. */
function SettingsCard({ name, prefix, faults, namespace }: { name: string; prefix: string; faults: { pointer: string; detail: string }[]; namespace: string }) {
  const [parameters, change] = useParameters();
  const settings = settingsOf(parameters, prefix);
  const [open, setOpen] = useState(false);
  const wrong = faults.length > 0 || filterFault(settings.filter) !== null;
  const set = (changes: Settings) => change(Object.fromEntries(Object.entries(changes).map(([one, value]) => [prefix + one, value])), { replace: true });
  return (
    <Card class="settings-card">
      <div class="row">
        <Button kind="quiet" small icon={open || wrong ? "down" : "right"} aria-expanded={open || wrong} onClick={() => setOpen(!open)}>{name}</Button>
        <span class="small quiet grow wrap-anywhere">{inWords(settings)}</span>
        {Object.keys(settings).length > 0 && <Button kind="quiet" small icon="close" onClick={() => change(changesOf({}, prefix))}>As usual</Button>}
      </div>
      {(open || wrong) && <SettingsForm settings={settings} set={set} namespace={namespace} faults={faults} />}
    </Card>
  );
}

function Confidence({ search }: { search: Search }) {
  return (
    <div class="row">
      <span class="small"><span class="faint">confidence</span> <b class="number">{search.confidence.toFixed(2)}</b></span>
      {search.abstain
        ? <Badge tone="warn" title="An agent is told that this is probably not known">abstain: probably not known here</Badge>
        : <Badge tone="good">sure enough to answer</Badge>}
      <span class="small faint number">{search.results.length} found in {search.timings_ms.total.toFixed(0)} ms</span>
    </div>
  );
}

function OneSearch({ query, namespace, settings, body, saved, savedChanged }: { query: string; namespace: string; settings: Settings; body: Record<string, unknown>; saved: readonly Saved[]; savedChanged: () => void }) {
  const [parameters, change] = useParameters();
  const read = usePosted<Search>("/v1/search", body, { keepPreviousData: false });
  const [judged, setJudged] = useState<Record<string, boolean>>({});
  const [relevant, setRelevant] = useState<ReadonlySet<string> | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => { setJudged({}); setRelevant(null); }, [read.data?.search_id]);
  if (read.error) return read.error instanceof ApiError && read.error.problem.code === "namespace_not_found"
    ? <Card><Empty icon="recall" title="There is no such namespace yet"><p>The first memory that is written to it makes it. Choose another one above, or under “Where to look”.</p></Empty></Card>
    : <Card><Failed error={read.error} retry={() => void read.mutate()} /></Card>;
  const search = read.data;
  if (!search) return <Card><Loading lines={8} label="Asking" /></Card>;
  const misses = search.explain?.near_misses ?? [];
  const scale = scaleOf([...search.results.map((one) => one.channels), ...misses.map((one) => one.channels)]);
  const chosen = parameters.get("whynot");
  const known = saved.find((one) => one.query === query);
  const apply = (changes: Settings) => change({ ...(changes as Record<string, string>) });
  const save = async () => {
    setBusy(true);
    try {
      const made = await post<Saved>("/v1/saved-queries", { query, relevant: [...(relevant ?? [])], namespace });
      setRelevant(null);
      savedChanged();
      done("Saved. “On saved queries” measures settings with it.", async () => {
        if (known) await post("/v1/saved-queries", { query, relevant: known.relevant, namespace });
        else await remove(`/v1/saved-queries/${made.id}`);
        savedChanged();
      });
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="recall-sides">
      <div class="stack">
        <Card flush>
          <div class="results-head row-between">
            <Confidence search={search} />
            <div class="row">
              <Button kind="quiet" small icon="restore" busy={read.isValidating} onClick={() => void read.mutate()}>Ask again</Button>
              {search.results.length > 0 && (relevant === null
                ? <Button kind="quiet" small icon="plus" onClick={() => setRelevant(new Set(known?.relevant ?? Object.keys(judged).filter((id) => judged[id])))}>Save this query</Button>
                : <><Button kind="primary" small busy={busy} disabled={!relevant.size} onClick={() => void save()}>Save with {relevant.size}</Button><Button kind="quiet" small onClick={() => setRelevant(null)}>Cancel</Button></>)}
            </div>
          </div>
          {relevant !== null && <div class="results-note"><Notice>Tick the memories that belong to the answer.</Notice></div>}
          {search.results.length === 0 ? (
            <Empty icon="recall" title="Nothing was found">
              <p>{settings.filter || settings.user || settings.session ? "Filters and scopes leave nothing here." : "There is nothing in this namespace yet."} “Why not this one?” tells where a memory fell out.</p>
            </Empty>
          ) : (
            <>
              <Legend />
              <ol class="results" aria-label="Results">
                {search.results.map((result) => (
                  <ResultCard
                    key={result.memory.id}
                    result={result}
                    searchId={search.search_id}
                    scale={scale}
                    without={search.explain?.counterfactual_ranks[result.memory.id]}
                    judged={judged[result.memory.id]}
                    onJudged={(useful) => setJudged((before) => ({ ...before, [result.memory.id]: useful }))}
                    relevant={relevant === null ? null : relevant.has(result.memory.id)}
                    onRelevant={(is) => setRelevant((before) => { const next = new Set(before); if (is) next.add(result.memory.id); else next.delete(result.memory.id); return next; })}
                  />
                ))}
              </ol>
            </>
          )}
        </Card>
        <NearMisses misses={misses} scale={scale} ask={(id) => change({ whynot: id })} />
      </div>
      <div class="stack">
        <WhyNot searchId={search.search_id} namespace={search.explain?.namespaces[0] ?? namespace} chosen={chosen} choose={(id) => change({ whynot: id })} apply={apply} />
        {search.explain && <Understood {...search.explain} />}
        <TraceCard search={search} />
        {search.results.length > 0 && (
          <p class="small faint">
            Looking changes nothing.{" "}
            <ButtonTwice kind="quiet" small sure="Yes, count these as recalled" onClick={() => void attempt(() => post("/v1/search", { ...body, explain: false, reinforce: true }), `Counted ${search.results.length} recalls.`)}>Count a recall for each</ButtonTwice>
          </p>
        )}
      </div>
    </div>
  );
}

function SavedQueries({ saved, changed, ask }: { saved: readonly Saved[]; changed: () => void; ask: (query: string) => void }) {
  if (!saved.length) return null;
  const drop = (one: Saved) =>
    void attempt(async () => { await remove(`/v1/saved-queries/${one.id}`); changed(); }, "No longer saved.", async () => { await post("/v1/saved-queries", { query: one.query, relevant: one.relevant, namespace: one.namespace }); changed(); });
  return (
    <div class="row saved-queries" role="group" aria-label="Saved queries">
      <span class="small faint">Saved</span>
      {saved.slice(0, 12).map((one) => (
        <span key={one.id} class="saved-query">
          <button type="button" onClick={() => ask(one.query)} title={`${one.relevant.length} relevant`}>{one.query}</button>
          <button type="button" aria-label={`Do not keep ${one.query}`} onClick={() => drop(one)}>×</button>
        </span>
      ))}
      {saved.length > 12 && <span class="small faint">and {saved.length - 12} more</span>}
    </div>
  );
}

export default function Recall() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const query = parameters.get("q") ?? "";
  const tab = parameters.get("view") ?? "one";
  const [a, b] = [settingsOf(parameters), settingsOf(parameters, SECOND)];
  const saved = useList<Saved>("/v1/saved-queries", { namespace }, 200);
  const readable = [a, ...(tab === "one" ? [] : [b])].every((settings) => filterFault(settings.filter) === null);
  const body = readable && query ? bodyOf(query, namespace, a) : null;
  // What is wrong with the settings is said beside the field that says it; the cache shares the answer with the results.
  const asked = usePosted<Search>(body && tab !== "saved" ? "/v1/search" : null, body);
  const other = usePosted<Search>(readable && query && tab === "two" ? "/v1/search" : null, readable && query ? bodyOf(query, namespace, b) : null);
  const faultsOf = (error: Error | undefined) => (error instanceof ApiError ? (error.problem.errors ?? []) : []);
  const ask = (next: string) => change({ q: next, whynot: null, replay: null });
  return (
    <>
      <PageHead title="Recall lab">Ask as an agent does. See which channel found what, what just missed, and what other settings would change.</PageHead>
      <div class="stack">
        <div class="stack-s">
          <QueryForm query={query} ask={ask} />
          <SavedQueries saved={saved.items} changed={() => void saved.refresh()} ask={ask} />
        </div>
        <Tabs tabs={TABS.map((one) => (one.id === "saved" ? { ...one, count: saved.items.length } : one))} chosen={tab} choose={(id) => change({ view: id === "one" ? null : id })} label="What to look at" />
        <div class={tab === "one" ? "stack" : "columns settings-pair"}>
          <SettingsCard name={tab === "one" ? "Settings" : "Setting A"} prefix="" namespace={namespace} faults={faultsOf(asked.error)} />
          {tab !== "one" && <SettingsCard name="Setting B" prefix={SECOND} namespace={namespace} faults={faultsOf(other.error)} />}
        </div>
        {!readable ? (
          <Notice tone="warn">A filter is no JSON yet; nothing was asked.</Notice>
        ) : tab === "saved" ? (
          saved.error ? <Failed error={saved.error} retry={() => void saved.refresh()} /> : saved.loading && !saved.items.length ? <Loading /> : <CompareSaved saved={saved.items} a={a} b={b} namespace={namespace} />
        ) : !query ? (
          <Card>
            <Empty icon="recall" title="Ask something">
              <p>You see what an agent would be given, with the part of every channel in each score. Nothing that you do here changes a memory unless you say so.</p>
              <pre>{`curl -X POST ${location.origin}/v1/search \\\n  -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\\n  -d '{"query": "Where does Ana live?", "namespace": "${namespace}", "explain": true}'`}</pre>
            </Empty>
          </Card>
        ) : tab === "two" ? (
          <CompareQuery query={query} a={a} b={b} namespace={namespace} />
        ) : (
          <OneSearch query={query} namespace={namespace} settings={a} body={body ?? {}} saved={saved.items} savedChanged={() => void saved.refresh()} />
        )}
      </div>
    </>
  );
}
