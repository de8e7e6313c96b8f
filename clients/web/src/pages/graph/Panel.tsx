/** What is known of the chosen node, what stands beside it, and what can be done with it. */

import { useRead } from "../../data/fetching";
import { useHref } from "../../data/place";
import type { Schema } from "../../data/types";
import { count, percent, Time } from "../../ui/format";
import { Badge, Button, ButtonLink, Facts, Meter, Shown } from "../../ui/parts";
import { edgeLook, KINDS, ringOf, shortLabel, stateOf } from "./look";
import { neighboursOf, type GraphNode, type Neighbour, type View } from "./model";
import { KindSymbol, LineSymbol } from "./Symbol";

interface Props {
  view: View;
  node: GraphNode;
  expanded: boolean;
  onChoose: (id: string | null) => void;
  onExpand: (id: string) => void;
  onCollapse: (id: string) => void;
  onHide: (id: string) => void;
  onStart: (id: string) => void;
}

const MOST_LINKS = 60;

/** Where a node has a page of its own. */
export function pageOf(node: GraphNode): { path: string; parameters?: Record<string, string> } {
  if (node.kind === "memory") return { path: `/memories/${node.id}` };
  if (node.kind === "entity") return { path: `/entities/${node.id}` };
  const view = { topic: "topics", episode: "episodes", community: "communities" }[node.kind];
  return { path: "/topics", parameters: { view, at: node.id } };
}

function Strength({ name, value }: { name: string; value: number }) {
  return (
    <span class="graph-strength">
      <Meter value={value} label={name} />
      <span class="number">{percent(value)}</span>
    </span>
  );
}

function MemoryFacts({ node }: { node: GraphNode }) {
  const read = useRead<Schema<"Memory">>(`/v1/memories/${node.id}`, undefined, { revalidateOnFocus: false });
  return (
    <Shown read={read} lines={3}>
      {(memory) => {
        const ring = ringOf({ ...node, state: memory.state, pinned: memory.pinned, superseded_by: memory.superseded_by });
        return (
          <>
            <div class="graph-text" tabIndex={0} role="region" aria-label="Text of the memory">{memory.content}</div>
            <div class="row">
              <Badge>{memory.memory_type}</Badge>
              {ring ? <Badge tone={ring.key === "superseded" ? "bad" : ring.key === "pinned" ? "warn" : "info"}>{ring.name}</Badge> : <Badge tone="good">in use</Badge>}
              {memory.flags.map((flag) => <Badge key={flag} tone="warn">{flag.replaceAll("_", " ")}</Badge>)}
            </div>
            <Facts
              of={[
                ["Heat", <Strength name="Heat: how likely it is to be recalled now" value={memory.retention.retrievability} />],
                ["Trust", <Strength name="Trust" value={memory.trust} />],
                ["Importance", <Strength name="Importance" value={memory.importance} />],
                ["Said", <Time at={memory.observed_at} exact />],
                ["Learned", <Time at={memory.created_at} exact />],
                ["True from", memory.valid_from && <Time at={memory.valid_from} exact />],
                ["True until", memory.valid_to && <Time at={memory.valid_to} exact />],
                ["Speaker", memory.source.speaker],
              ]}
            />
          </>
        );
      }}
    </Shown>
  );
}

function EntityFacts({ node }: { node: GraphNode }) {
  const read = useRead<Schema<"EntityOut">>(`/v1/entities/${node.id}`, undefined, { revalidateOnFocus: false });
  return (
    <Shown read={read} lines={2}>
      {(entity) => (
        <Facts
          of={[
            ["Kind", entity.kind],
            ["Also called", entity.aliases.join(", ")],
            ["Mentions", count(entity.mentions)],
            ["First seen", entity.first_seen && <Time at={entity.first_seen} exact />],
            ["Last seen", entity.last_seen && <Time at={entity.last_seen} exact />],
          ]}
        />
      )}
    </Shown>
  );
}

/** Neighbours by the way they are linked, as words. */
function grouped(neighbours: Neighbour[]): [string, string, Neighbour[]][] {
  const groups = new Map<string, [string, string, Neighbour[]]>();
  for (const one of neighbours) {
    const look = edgeLook(one.edge.type);
    const name = one.out ? look.name : look.back;
    const group = groups.get(name) ?? [name, one.edge.type, []];
    group[2].push(one);
    groups.set(name, group);
  }
  return [...groups.values()];
}

export function Panel({ view, node, expanded, onChoose, onExpand, onCollapse, onHide, onStart }: Props) {
  const href = useHref();
  const { path, parameters } = pageOf(node);
  const neighbours = neighboursOf(view, node.id);
  return (
    <aside class="graph-panel" aria-label="Chosen node">
      <div class="row-between" style={{ flexWrap: "nowrap", alignItems: "flex-start" }}>
        <h2 class="graph-name"><KindSymbol kind={node.kind} /> <span>{shortLabel(node, node.kind === "memory" ? 48 : 80)}</span></h2>
        <Button kind="quiet" small icon="close" aria-label="Let go of this node" onClick={() => onChoose(null)} />
      </div>
      <p class="small faint">{KINDS[node.kind].name}{stateOf(node) && ` · ${stateOf(node)}`}</p>
      <div class="row">
        <ButtonLink small kind="primary" href={href(path, parameters)}>Open</ButtonLink>
        {expanded
          ? <Button small icon="minus" onClick={() => onCollapse(node.id)}>Collapse</Button>
          : <Button small icon="plus" onClick={() => onExpand(node.id)}>Expand</Button>}
        <Button small onClick={() => onStart(node.id)}>Start here</Button>
        <Button small kind="quiet" onClick={() => onHide(node.id)}>Hide</Button>
      </div>
      {node.kind === "memory" && <MemoryFacts node={node} />}
      {node.kind === "entity" && <EntityFacts node={node} />}
      {node.kind !== "memory" && node.kind !== "entity" && <p class="graph-text">{node.label || "No gist was written for it yet."}</p>}
      <h3>{count(neighbours.length)} {neighbours.length === 1 ? "link" : "links"} in view{typeof node.degree === "number" && node.degree > neighbours.length ? `, ${count(node.degree)} in all` : ""}</h3>
      {grouped(neighbours).map(([name, type, ones]) => (
        <section key={name} class="stack-s">
          <h4 class="graph-group"><LineSymbol type={type} /> {name} <span class="faint number">{ones.length}</span></h4>
          <ul class="graph-links">
            {ones.slice(0, MOST_LINKS).map((one) => (
              <li key={`${one.node.id} ${one.edge.type}`}>
                <button type="button" class="graph-link" onClick={() => onChoose(one.node.id)}>
                  <KindSymbol kind={one.node.kind} size={12} />
                  <span class="clamp-2">{shortLabel(one.node, 110)}</span>
                </button>
              </li>
            ))}
          </ul>
          {ones.length > MOST_LINKS && <p class="small faint">and {count(ones.length - MOST_LINKS)} more, in the table</p>}
        </section>
      ))}
    </aside>
  );
}

