/** The same nodes as a table: for the keyboard, for screen readers, and for those who would rather read. */

import { useMemo, useState } from "preact/hooks";
import { useHref } from "../../data/place";
import { Link } from "wouter-preact";
import { count, percent, plural, Time } from "../../ui/format";
import { Button, Card, Field } from "../../ui/parts";
import { edgeLook, KINDS, shortLabel, stateOf } from "./look";
import { degreesOf, edgeKey, heatOf, showsEdge, showsNode, trustOf, type Filter, type GraphNode, type View } from "./model";
import { pageOf } from "./Panel";
import { KindSymbol, LineSymbol } from "./Symbol";

interface Props {
  view: View;
  filter: Filter;
  chosen: string | null;
  opened: ReadonlySet<string>;
  onChoose: (id: string) => void;
  onExpand: (id: string) => void;
}

type Order = "label" | "kind" | "state" | "trust" | "heat" | "links" | "known";
const ROWS = 100;

export function NodeTable({ view, filter, chosen, opened, onChoose, onExpand }: Props) {
  const [words, setWords] = useState("");
  const [order, setOrder] = useState<[Order, number]>(["links", -1]);
  const [page, setPage] = useState(0);
  const href = useHref();
  const degrees = useMemo(() => degreesOf(view), [view]);
  const rows = useMemo(() => {
    const value: Record<Order, (node: GraphNode) => string | number> = {
      label: (node) => node.label.toLowerCase(),
      kind: (node) => node.kind,
      state: stateOf,
      trust: (node) => trustOf(node) ?? -1,
      heat: (node) => heatOf(node) ?? -1,
      links: (node) => degrees.get(node.id) ?? 0,
      known: (node) => node.known_from ?? "",
    };
    const [by, way] = order;
    const wanted = words.trim().toLowerCase();
    return view.nodes
      .filter((node) => showsNode(filter, node) && (!wanted || node.label.toLowerCase().includes(wanted)))
      .map((node) => ({ node, at: value[by](node) }))
      .sort((a, b) => (a.at < b.at ? -way : a.at > b.at ? way : 0))
      .map((one) => one.node);
  }, [view, filter, words, order, degrees]);
  const shown = rows.slice(page * ROWS, (page + 1) * ROWS);
  const heading = (by: Order, name: string, right = false) => (
    <th scope="col" class={right ? "right" : undefined} aria-sort={order[0] === by ? (order[1] > 0 ? "ascending" : "descending") : undefined}>
      <button type="button" class="graph-sort" onClick={() => { setOrder(([before, way]) => [by, before === by ? -way : by === "label" || by === "kind" ? 1 : -1]); setPage(0); }}>
        {name}{order[0] === by && <span aria-hidden="true">{order[1] > 0 ? " ↑" : " ↓"}</span>}
      </button>
    </th>
  );
  return (
    <div class="stack graph-table">
      <div class="row-between">
        <Field label="Only nodes with these words">
          {(id) => <input id={id} class="input" type="search" value={words} onInput={(event) => { setWords(event.currentTarget.value); setPage(0); }} />}
        </Field>
        <p class="small quiet" role="status">{plural(rows.length, "node")}{rows.length > ROWS && `, ${page * ROWS + 1} to ${Math.min(rows.length, (page + 1) * ROWS)} shown`}</p>
      </div>
      <Card flush>
        <div class="table-wrap" tabIndex={0} role="region" aria-label="Nodes">
          <table class="table">
            <caption class="visually-hidden">Nodes of the graph</caption>
            <thead>
              <tr>
                {heading("label", "Node")}
                {heading("kind", "Kind")}
                {heading("state", "State")}
                {heading("trust", "Trust", true)}
                {heading("heat", "Heat", true)}
                {heading("known", "Learned")}
                {heading("links", "Links", true)}
                <th scope="col"><span class="visually-hidden">Actions</span></th>
              </tr>
            </thead>
            <tbody>
              {shown.map((node) => {
                const [trust, heat] = [trustOf(node), heatOf(node)];
                const { path, parameters } = pageOf(node);
                return (
                  <tr key={node.id} data-chosen={node.id === chosen}>
                    <th scope="row"><Link href={href(path, parameters)}>{shortLabel(node, 90)}</Link></th>
                    <td><span class="row" style={{ flexWrap: "nowrap" }}><KindSymbol kind={node.kind} size={13} />{KINDS[node.kind].name}</span></td>
                    <td>{stateOf(node)}</td>
                    <td class="right">{trust === null ? "" : percent(trust)}</td>
                    <td class="right">{heat === null ? "" : percent(heat)}</td>
                    <td>{node.known_from ? <Time at={node.known_from} /> : ""}</td>
                    <td class="right">{count(degrees.get(node.id))}</td>
                    <td>
                      <span class="row" style={{ flexWrap: "nowrap" }}>
                        <Button small kind="quiet" aria-label={`Choose ${shortLabel(node)}`} onClick={() => onChoose(node.id)}>Choose</Button>
                        <Button small kind="quiet" disabled={opened.has(node.id)} aria-label={`Expand ${shortLabel(node)}`} onClick={() => onExpand(node.id)}>{opened.has(node.id) ? "Expanded" : "Expand"}</Button>
                      </span>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      </Card>
      {rows.length > ROWS && (
        <div class="row">
          <Button small icon="left" disabled={page === 0} onClick={() => setPage(page - 1)}>Earlier rows</Button>
          <Button small icon="right" disabled={(page + 1) * ROWS >= rows.length} onClick={() => setPage(page + 1)}>Later rows</Button>
        </div>
      )}
      <Links view={view} filter={filter} />
    </div>
  );
}

function Links({ view, filter }: { view: View; filter: Filter }) {
  const [most, setMost] = useState(ROWS);
  const edges = useMemo(() => view.edges.filter((edge) => showsEdge(filter, edge, view)), [view, filter]);
  if (!edges.length) return null;
  return (
    <Card flush title={plural(edges.length, "link")}>
      <div class="table-wrap" tabIndex={0} role="region" aria-label="Links">
        <table class="table">
          <caption class="visually-hidden">Links of the graph</caption>
          <thead><tr><th scope="col">From</th><th scope="col">Link</th><th scope="col">To</th><th scope="col" class="right">Weight</th></tr></thead>
          <tbody>
            {edges.slice(0, most).map((edge) => (
              <tr key={edgeKey(edge)}>
                <td>{shortLabel(view.byId.get(edge.source)!, 60)}</td>
                <td><span class="row" style={{ flexWrap: "nowrap" }}><LineSymbol type={edge.type} />{edgeLook(edge.type).name}</span></td>
                <td>{shortLabel(view.byId.get(edge.target)!, 60)}</td>
                <td class="right">{edge.weight === null ? "" : edge.weight.toFixed(2)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {most < edges.length && <div class="graph-more"><Button small onClick={() => setMost(most + 5 * ROWS)}>More links</Button></div>}
    </Card>
  );
}
