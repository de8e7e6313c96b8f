/** Where a memory comes from and what came of it, as a small graph; the same as a list for those who do not see it. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { Link } from "wouter-preact";
import { memoryPath } from "../../data/api";
import { useRead } from "../../data/fetching";
import { useMemoriesById } from "../../data/memories";
import { useHref } from "../../data/place";
import { Card, Notice, Shown } from "../../ui/parts";
import { type Lineage, placed, type Placed } from "./lineage";

const [WIDE, HIGH, GAP_X, GAP_Y] = [200, 66, 64, 18];
const MEANS: Record<string, string> = { comes_from: "said in", derived_from: "made of", supersedes: "took the place of" };

function Graph({ of }: { of: Lineage }) {
  const href = useHref();
  const { nodes, columns, rows } = useMemo(() => placed(of), [of]);
  const at = new Map(nodes.map((node) => [node.id, node]));
  const { memories } = useMemoriesById(nodes.filter((node) => node.kind === "memory").map((node) => node.id));
  const x = (node: Placed) => node.column * (WIDE + GAP_X);
  const y = (node: Placed) => node.row * (HIGH + GAP_Y);
  const here = at.get(of.memory_id);
  const scroll = useRef<HTMLDivElement>(null);
  // What one looks at stands in the middle of a long lineage, not beyond its edge.
  useLayoutEffect(() => {
    if (scroll.current && here) scroll.current.scrollLeft = x(here) + WIDE / 2 - scroll.current.clientWidth / 2;
  }, [here?.column, of.memory_id]);
  const [width, height] = [columns * (WIDE + GAP_X) - GAP_X, rows * (HIGH + GAP_Y) - GAP_Y];
  return (
    <div ref={scroll} class="lineage-scroll" role="group" aria-label="Provenance" tabIndex={0}>
      <div class="lineage" style={{ width, height }}>
        <svg width={width} height={height} aria-hidden="true">
          <defs><marker id="lineage-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" /></marker></defs>
          {of.edges.map(({ from, to, type }) => {
            const [later, earlier] = [at.get(from), at.get(to)];
            if (!later || !earlier) return null;
            const [x1, y1, x2, y2] = [x(earlier) + WIDE, y(earlier) + HIGH / 2, x(later), y(later) + HIGH / 2];
            const middle = (x1 + x2) / 2;
            return <path key={`${from} ${to} ${type}`} class={`edge edge-${type}`} d={`M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2 - 2} ${y2}`} marker-end="url(#lineage-arrow)"><title>{MEANS[type] ?? type}</title></path>;
          })}
        </svg>
        <ul>
          {nodes.map((node) => {
            const place = { left: x(node), top: y(node), width: WIDE, height: HIGH };
            const relation = of.edges.filter((edge) => edge.from === node.id).map((edge) => `${MEANS[edge.type] ?? edge.type} ${edge.type === "comes_from" ? "a source" : "another"}`).join(", ");
            if (node.kind === "source")
              return (
                <li key={node.id} class="lineage-node lineage-source" style={place}>
                  <span class="tiny faint">source · {node.source?.kind}</span>
                  <span class="clamp-2 small">{[node.source?.speaker ?? node.source?.role, node.source?.ref, node.source?.span && `characters ${node.source.span[0]}–${node.source.span[1]}`].filter(Boolean).join(", ")}</span>
                </li>
              );
            const memory = memories.get(node.id);
            return (
              <li key={node.id} class="lineage-node" data-here={node.id === of.memory_id} style={place}>
                <span class="tiny faint">{node.id === of.memory_id ? "this memory" : node.method} · version {node.version}{node.state && node.state !== "activated" && ` · ${node.state}`}</span>
                {node.id === of.memory_id ? <span class="clamp-2 small">{memory?.content ?? "…"}</span> : <Link class="clamp-2 small memory-link" href={href(`/memories/${node.id}`)}>{memory?.content ?? "…"}</Link>}
                {relation && <span class="visually-hidden">{relation}</span>}
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}

export function ProvenanceCard({ id }: { id: string }) {
  const read = useRead<Lineage>(memoryPath(id, "/provenance"));
  return (
    <Card title="Lineage" actions={<span class="tiny faint lineage-key"><span class="edge-key" /> said in, made of <span class="edge-key edge-key-new" /> took the place of</span>}>
      <Shown read={read} lines={4}>
        {(of) => (
          <div class="stack-s">
            <Graph of={of} />
            {of.truncated && <Notice>The nearest 200 memories are drawn; there are more.</Notice>}
          </div>
        )}
      </Shown>
    </Card>
  );
}
