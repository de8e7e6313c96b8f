/** A tree for mouse and keyboard: arrows open, close and walk, as trees do. */

import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { Icon } from "../../ui/icons";
import { nameOf, sizeOf, type Branch } from "./model";

interface Props {
  roots: Branch[];
  open: ReadonlySet<string>;
  chosen: string | null;
  onChoose: (id: string) => void;
  onOpen: (id: string, open: boolean) => void;
}

interface Line {
  branch: Branch;
  depth: number;
  place: number;
  among: number;
}

export function Tree({ roots, open, chosen, onChoose, onOpen }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const lines = useMemo(() => {
    const found: Line[] = [];
    const walk = (branches: Branch[], depth: number) => branches.forEach((branch, place) => {
      found.push({ branch, depth, place, among: branches.length });
      if (open.has(branch.topic.id)) walk(branch.below, depth + 1);
    });
    walk(roots, 1);
    return found;
  }, [roots, open]);
  const focused = lines.some((line) => line.branch.topic.id === chosen) ? chosen : lines[0]?.branch.topic.id;
  const onKey = (event: JSX.TargetedKeyboardEvent<HTMLUListElement>) => {
    const at = lines.findIndex((line) => line.branch.topic.id === focused);
    const line = lines[at];
    if (!line) return;
    const { topic } = line.branch;
    const go = (next: Line | undefined) => {
      if (!next) return;
      onChoose(next.branch.topic.id);
      list.current?.querySelectorAll<HTMLElement>("[role=treeitem]")[lines.indexOf(next)]?.focus();
    };
    if (event.key === "ArrowDown") go(lines[at + 1]);
    else if (event.key === "ArrowUp") go(lines[at - 1]);
    else if (event.key === "Home") go(lines[0]);
    else if (event.key === "End") go(lines[lines.length - 1]);
    else if (event.key === "ArrowRight" && !topic.leaf) open.has(topic.id) ? go(lines[at + 1]) : onOpen(topic.id, true);
    else if (event.key === "ArrowLeft") open.has(topic.id) ? onOpen(topic.id, false) : go(lines.slice(0, at).reverse().find((one) => one.depth < line.depth));
    else if (event.key === "Enter" || event.key === " ") onChoose(topic.id);
    else return;
    event.preventDefault();
  };
  return (
    <ul ref={list} class="tree" role="tree" aria-label="Topics" onKeyDown={onKey}>
      {lines.map(({ branch: { topic }, depth, place, among }) => (
        <li
          key={topic.id}
          role="treeitem"
          class="tree-item"
          aria-level={depth}
          aria-posinset={place + 1}
          aria-setsize={among}
          aria-expanded={topic.leaf ? undefined : open.has(topic.id)}
          aria-selected={topic.id === chosen}
          tabIndex={topic.id === focused ? 0 : -1}
          style={{ paddingLeft: (depth - 1) * 20 + 4 }}
          onClick={() => onChoose(topic.id)}
        >
          {!topic.leaf ? (
            <button type="button" class="tree-toggle" tabIndex={-1} aria-hidden="true" onClick={(event) => { event.stopPropagation(); onOpen(topic.id, !open.has(topic.id)); }}>
              <Icon name={open.has(topic.id) ? "down" : "right"} />
            </button>
          ) : <span class="tree-toggle" />}
          <span class="grow wrap-anywhere">{nameOf(topic.gist, topic.leaf ? "A topic without a gist" : "A group of topics")}</span>
          <span class="tiny faint number">{sizeOf(topic.size)}</span>
        </li>
      ))}
    </ul>
  );
}
