/** A tree for mouse and keyboard: arrows open, close and walk, as trees do. */

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../../ui/icons";
import { nameOf, sizeOf, type Branch } from "./model";

interface Props {
  roots: Branch[];
  chosen: string | null;
  onChoose: (id: string) => void;
}

interface Line {
  branch: Branch;
  depth: number;
  place: number;
  among: number;
}

const OPEN_UP_TO = 40; // topics; a larger tree begins closed

function pathTo(roots: Branch[], id: string | null): string[] {
  for (const branch of roots) {
    if (branch.topic.id === id) return [branch.topic.id];
    const below = pathTo(branch.below, id);
    if (below.length) return [branch.topic.id, ...below];
  }
  return [];
}

const countOf = (roots: Branch[]): number => roots.reduce((sum, branch) => sum + 1 + countOf(branch.below), 0);

export function Tree({ roots, chosen, onChoose }: Props) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(() => {
    if (countOf(roots) <= OPEN_UP_TO) return new Set();
    const way = new Set(pathTo(roots, chosen));
    return new Set(roots.map((branch) => branch.topic.id).filter((id) => !way.has(id)));
  });
  const list = useRef<HTMLUListElement>(null);
  const lines = useMemo(() => {
    const found: Line[] = [];
    const walk = (branches: Branch[], depth: number) => branches.forEach((branch, place) => {
      found.push({ branch, depth, place, among: branches.length });
      if (!closed.has(branch.topic.id)) walk(branch.below, depth + 1);
    });
    walk(roots, 1);
    return found;
  }, [roots, closed]);
  const toggle = (id: string, shut: boolean) => setClosed((before) => {
    const next = new Set(before);
    if (shut) next.add(id);
    else next.delete(id);
    return next;
  });
  const focused = lines.some((line) => line.branch.topic.id === chosen) ? chosen : lines[0]?.branch.topic.id;
  const onKey = (event: JSX.TargetedKeyboardEvent<HTMLUListElement>) => {
    const at = lines.findIndex((line) => line.branch.topic.id === focused);
    const line = lines[at];
    if (!line) return;
    const { topic, below } = line.branch;
    const go = (next: Line | undefined) => {
      if (!next) return;
      onChoose(next.branch.topic.id);
      list.current?.querySelectorAll<HTMLElement>("[role=treeitem]")[lines.indexOf(next)]?.focus();
    };
    if (event.key === "ArrowDown") go(lines[at + 1]);
    else if (event.key === "ArrowUp") go(lines[at - 1]);
    else if (event.key === "Home") go(lines[0]);
    else if (event.key === "End") go(lines[lines.length - 1]);
    else if (event.key === "ArrowRight" && below.length) closed.has(topic.id) ? toggle(topic.id, false) : go(lines[at + 1]);
    else if (event.key === "ArrowLeft") below.length && !closed.has(topic.id) ? toggle(topic.id, true) : go(lines.slice(0, at).reverse().find((one) => one.depth < line.depth));
    else if (event.key === "Enter" || event.key === " ") onChoose(topic.id);
    else return;
    event.preventDefault();
  };
  return (
    <ul ref={list} class="tree" role="tree" aria-label="Topics" onKeyDown={onKey}>
      {lines.map(({ branch: { topic, below }, depth, place, among }) => (
        <li
          key={topic.id}
          role="treeitem"
          class="tree-item"
          aria-level={depth}
          aria-posinset={place + 1}
          aria-setsize={among}
          aria-expanded={below.length ? !closed.has(topic.id) : undefined}
          aria-selected={topic.id === chosen}
          tabIndex={topic.id === focused ? 0 : -1}
          style={{ paddingLeft: (depth - 1) * 20 + 4 }}
          onClick={() => onChoose(topic.id)}
        >
          {below.length ? (
            <button type="button" class="tree-toggle" tabIndex={-1} aria-hidden="true" onClick={(event) => { event.stopPropagation(); toggle(topic.id, !closed.has(topic.id)); }}>
              <Icon name={closed.has(topic.id) ? "right" : "down"} />
            </button>
          ) : <span class="tree-toggle" />}
          <span class="grow wrap-anywhere">{nameOf(topic.gist, below.length ? "A group of topics" : "A topic without a gist")}</span>
          <span class="tiny faint number">{sizeOf(topic.size)}</span>
        </li>
      ))}
    </ul>
  );
}
