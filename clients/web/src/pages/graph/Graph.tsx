/** The memory as a graph. All that is shown stands in the address: where it begins, what was expanded or hidden, and as of when. */

import { lazy, Suspense } from "preact/compat";
import { useEffect, useMemo, useRef } from "preact/hooks";
import "./graph.css";
import { useNamespace, useParameters } from "../../data/place";
import { plural } from "../../ui/format";
import { Button, Empty, Failed, Loading, Notice, PageHead } from "../../ui/parts";
import { done, failed } from "../../ui/toasts";
import { AsOf } from "./AsOf";
import { Legend } from "./Legend";
import { linesOf } from "./lines";
import { shortLabel } from "./look";
import { type Filter, LARGE } from "./model";
import { NodeTable } from "./NodeTable";
import { usePalette, useStill } from "./palette";
import { Panel } from "./Panel";
import { download, pngOf, sceneOf, svgOf } from "./scene";
import { Start } from "./Start";
import { LIMIT, useGraph } from "./useGraph";
import { useLayout } from "./useLayout";

// What draws is the larger part of the page: it comes while the service reads what is to be drawn.
const drawing = import("./Stage");
const Stage = lazy(() => drawing.then((part) => ({ default: part.Stage })));
/** Do something beforehand with what draws. Where that fails the picture fares as without it, and says what is wrong. */
const beforehand = (work: (part: Awaited<typeof drawing>) => void): void => {
  drawing.then(work).catch((error: unknown) => console.warn("Nothing was made ready for the graph.", error));
};

const LIMITS = [50, LIMIT, 500, 2_000, 10_000];
const DEPTHS = [1, 2, 3];
const NARROW = matchMedia("(max-width: 860px)");

const listOf = (text: string | null): string[] => (text ? text.split(",").filter(Boolean) : []);
const whole = (text: string | null, otherwise: number, most: number): number => {
  const value = Number(text);
  return text !== null && Number.isInteger(value) && value >= 1 ? Math.min(most, value) : otherwise;
};
const moment = (text: string | null): string | null => (text !== null && Number.isFinite(Date.parse(text)) ? text : null);

export default function GraphPage() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const read = (name: string) => parameters.get(name);
  const query = read("q") ?? "";
  const seeds = listOf(read("seed"));
  const opened = listOf(read("open"));
  const hidden = listOf(read("out"));
  const limit = whole(read("limit"), LIMIT, 10_000);
  // Around something, one hop; from the newest memories, two: those alone show little of how things hang together.
  const usual = query || seeds.length || limit > LIMIT ? 1 : 2;
  const depth = whole(read("depth"), usual, 3);
  const [valid, known] = [moment(read("valid")), moment(read("known"))];
  const chosen = read("pick");
  const asTable = read("view") === "table";
  const withTimes = read("times") === "1" || valid !== null || known !== null;
  const legend = read("legend") ? read("legend") === "1" : !NARROW.matches && chosen === null;

  const graph = useGraph({ namespace, query, seeds, opened, depth, limit, valid, known });
  const still = useStill();
  const palette = usePalette();
  const positions = useLayout(graph.view, still);
  const filter = useMemo<Filter>(
    () => ({ kinds: new Set(listOf(read("kinds"))), types: new Set(listOf(read("types"))), hidden: new Set(hidden) }),
    [read("kinds"), read("types"), read("out")],
  );

  const view = graph.view;
  const waiting = !view && !asTable && !graph.error;
  const pictured = Boolean(view?.nodes.length) && !asTable;
  useEffect(() => {
    if (!waiting) {
      if (!pictured) beforehand((part) => part.cool());
      return undefined;
    }
    let left = false;
    beforehand((part) => { if (!left) part.warm({ palette, large: limit >= LARGE, still }); });
    return () => { left = true; };
  }, [waiting, pictured, palette, limit, still]);
  useEffect(() => () => beforehand((part) => part.cool()), []);
  useEffect(() => {
    if (view && !asTable) beforehand((part) => part.prepare(view, filter, palette));
  }, [view]);
  const node = chosen === null ? undefined : view?.byId.get(chosen);
  const choose = (id: string | null) => change({ pick: id }, { replace: true });
  const expand = (id: string) => change(opened.includes(id) ? { pick: id } : { pick: id, open: [...opened, id].join(",") });
  const collapse = (id: string) => change({ open: opened.filter((one) => one !== id).join(",") });
  const start = (id: string) => change({ seed: id, pick: id, q: null, open: null, out: null });
  const hide = (id: string) => {
    const before = read("out");
    change({ out: [...hidden, id].join(","), pick: null });
    done(`“${shortLabel(view?.byId.get(id) ?? { id, kind: "memory", label: "A node", namespace })}” is hidden.`, async () => change({ out: before }));
  };
  const save = async (kind: "svg" | "png") => {
    if (!positions) return;
    try {
      const scene = sceneOf(positions, filter, palette);
      download(`memory-graph.${kind}`, kind === "svg" ? new Blob([svgOf(scene)], { type: "image/svg+xml" }) : await pngOf(scene));
    } catch (error) {
      failed(error);
    }
  };

  const keyed = useRef(false);
  useEffect(() => {
    const onPointer = () => {
      keyed.current = false;
    };
    const onKey = (event: KeyboardEvent) => {
      // On the stage it is handled there; nothing else has the focus while places are found.
      if (event.key === "Escape" && event.target === document.body) choose(null);
    };
    document.addEventListener("pointerdown", onPointer);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onPointer);
      document.removeEventListener("keydown", onKey);
    };
  }, [change]);
  const begun = query !== "" || seeds.length > 0;
  return (
    <div class="graph-page">
      <div class="graph-head">
        <PageHead title="Graph" />
        <Start namespace={namespace} query={query} onQuery={(q) => change({ q, seed: null, open: null, out: null, pick: null })} onEntity={(id) => start(id)} />
        <label class="graph-pick">
          <span>Hops</span>
          <select class="select" value={depth} onChange={(event) => change({ depth: Number(event.currentTarget.value) === usual ? null : event.currentTarget.value })}>
            {DEPTHS.map((one) => <option key={one} value={one}>{one}</option>)}
          </select>
        </label>
        <label class="graph-pick">
          <span>Nodes</span>
          <select class="select" value={limit} onChange={(event) => change({ limit: Number(event.currentTarget.value) === LIMIT ? null : event.currentTarget.value })}>
            {[...new Set([...LIMITS, limit])].sort((a, b) => a - b).map((one) => <option key={one} value={one}>{one.toLocaleString("en")}</option>)}
          </select>
        </label>
        <div class="graph-tools">
          <Button icon="timeline" aria-pressed={withTimes} onClick={() => change({ times: withTimes ? null : 1, valid: null, known: null })}>As of…</Button>
          <Button icon={asTable ? "graph" : "table"} onClick={() => change({ view: asTable ? null : "table" })}>{asTable ? "Graph" : "Table"}</Button>
          <Button kind="quiet" icon="download" disabled={!positions} onClick={() => void save("svg")}>SVG</Button>
          <Button kind="quiet" icon="download" disabled={!positions} onClick={() => void save("png")}>PNG</Button>
        </div>
      </div>
      {(begun || opened.length > 0 || hidden.length > 0) && (
        <div class="graph-chips row">
          {query && <Chip text={`Search: ${query}`} onAway={() => change({ q: null, open: null, pick: null })} />}
          {seeds.map((id) => <Chip key={id} text={`From: ${nameOf(id)}`} onAway={() => change({ seed: seeds.filter((one) => one !== id).join(","), open: null })} />)}
          {opened.map((id) => <Chip key={id} text={`Expanded: ${nameOf(id)}`} onAway={() => collapse(id)} />)}
          {hidden.length > 0 && <Chip text={`${plural(hidden.length, "node")} hidden`} onAway={() => change({ out: null })} />}
        </div>
      )}
      {withTimes && <AsOf namespace={namespace} nodes={view?.nodes ?? []} valid={valid} known={known} onChange={(changes) => change({ times: 1, ...changes })} />}
      <p class="graph-said small quiet" role="status">
        {view ? `${plural(view.nodes.length, "node")}, ${plural(view.edges.length, "link")}` : ""}
        {view && linesOf(view).length < view.edges.length ? `, the strongest ${linesOf(view).length.toLocaleString("en")} drawn` : ""}
        {view?.truncated ? `; there is more beyond these ${view.nodes.length.toLocaleString("en")}` : ""}
        {graph.loading ? " · reading" : positions && !positions.done ? " · finding places" : ""}
        {(valid || known) && view ? " · as of another time" : ""}
      </p>
      {body()}
    </div>
  );

  function nameOf(id: string): string {
    const found = view?.byId.get(id);
    return found ? shortLabel(found, 26) : "a node";
  }

  function body() {
    if (graph.error && !view) return <Failed error={graph.error} retry={graph.retry} />;
    if (!view) return <div class="graph-wait"><Loading lines={6} label="Reading the graph" /></div>;
    if (!view.nodes.length) return <Nothing begun={begun} past={valid !== null || known !== null} namespace={namespace} />;
    return (
      <>
        {graph.error && <Notice tone="bad" role="alert">{graph.error.message}</Notice>}
        {asTable ? (
          <div class="graph-body" data-panel={node !== undefined}>
            <NodeTable view={view} filter={filter} chosen={chosen} opened={new Set(opened)} onChoose={choose} onExpand={expand} />
            {panel()}
          </div>
        ) : (
          <div class="graph-body" data-panel={node !== undefined}>
            {positions ? (
              <div class="graph-picture">
                <Suspense fallback={<Loading lines={6} label="Reading how to draw" />}>
                  <Stage positions={positions} filter={filter} palette={palette} chosen={node ? chosen : null} still={still} keyed={keyed} onChoose={choose} onExpand={expand} onHide={hide} />
                </Suspense>
                <Legend view={view} filter={filter} open={legend} onOpen={(open) => change({ legend: open ? 1 : "0" }, { replace: true })} onKinds={(kinds) => change({ kinds: kinds.join(",") })} onTypes={(types) => change({ types: types.join(",") })} />
              </div>
            ) : <div class="graph-wait"><Loading lines={6} label="Finding places" /></div>}
            {panel()}
          </div>
        )}
      </>
    );
  }

  function panel() {
    return view && node && <Panel view={view} node={node} expanded={opened.includes(node.id)} onChoose={choose} onExpand={expand} onCollapse={collapse} onHide={hide} onStart={start} />;
  }
}

function Chip({ text, onAway }: { text: string; onAway: () => void }) {
  return (
    <span class="chip">
      <span class="chip-text">{text}</span>
      <Button kind="quiet" small icon="close" aria-label={`Take away: ${text}`} onClick={onAway} />
    </span>
  );
}

function Nothing({ begun, past, namespace }: { begun: boolean; past: boolean; namespace: string }) {
  if (past) return <Empty icon="timeline" title="Nothing was there at that time"><p>Move the sliders to the right: the memory begins later.</p></Empty>;
  if (begun) return <Empty icon="graph" title="Nothing lies around this"><p>Other words may find more. Without any, the graph shows the newest memories.</p></Empty>;
  return (
    <Empty icon="graph" title="No graph yet">
      <p>Each memory becomes a node. Links appear by themselves: to whom and what a text names, to what it resembles, follows or replaces. Consolidation adds episodes, topics and communities.</p>
      <pre>{`curl -X POST $URL/v1/memories -H "Authorization: Bearer $KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"namespace": "${namespace}", "content": "Mara moved to Bergen in May."}'`}</pre>
    </Empty>
  );
}
