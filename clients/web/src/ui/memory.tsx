/** How a memory looks wherever it is named. */

import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import type { Memory } from "../data/memories";
import { useHref } from "../data/place";
import { Time, percent } from "./format";
import { Badge } from "./parts";
import "./memory.css";

/** Say what is unusual about a memory: its type always, the rest only where it is not as usual. */
export function Marks({ memory, quiet }: { memory: Memory; quiet?: boolean }) {
  return (
    <>
      {!quiet && <Badge>{memory.memory_type}</Badge>}
      {memory.pinned && <Badge tone="accent" title="It does not fade">pinned</Badge>}
      {memory.superseded_by && <Badge tone="warn" title="Something newer took its place">superseded</Badge>}
      {memory.state !== "activated" && memory.state !== "generated" && !(memory.pinned && memory.state === "frozen") && <Badge tone={memory.state === "archived" || memory.state === "expired" ? "warn" : "info"}>{memory.state}</Badge>}
      {memory.trust < 0.5 && <Badge tone="bad" title={memory.flags.join(", ")}>low trust</Badge>}
    </>
  );
}

/** Who said it, when, where: one line. */
export function Circumstances({ memory }: { memory: Memory }) {
  const who = memory.source.speaker ?? memory.source.role ?? memory.source.kind;
  return (
    <span class="circumstances small faint">
      {who && <span>{who}</span>}
      <Time at={memory.observed_at} />
      {memory.session_id && <span title="session">{memory.session_id}</span>}
      {memory.user_id && <span title="user">{memory.user_id}</span>}
    </span>
  );
}

/** How firmly a memory holds, as a small bar. */
export function Firmness({ memory }: { memory: Memory }) {
  const firm = memory.retention.retrievability;
  const colour = firm >= 0.8 ? "var(--good)" : firm >= 0.5 ? "var(--warn)" : "var(--bad)";
  return (
    <span class="firmness tiny faint" title={`Would be recalled with probability ${percent(firm)}; stability ${memory.retention.stability_days.toFixed(0)} days`}>
      <span class="meter" aria-hidden="true"><span style={{ width: `${firm * 100}%`, background: colour }} /></span>
      <span class="number"><span class="visually-hidden">retrievability </span>{percent(firm)}</span>
    </span>
  );
}

/** The text of a memory as a link to its page. */
export function MemoryLink({ memory, children }: { memory: Memory; children?: ComponentChildren }) {
  const href = useHref();
  return <Link class="memory-link wrap-anywhere" href={href(`/memories/${memory.id}`)}>{children ?? memory.content}</Link>;
}

/** A memory that is only known by its id until it was read; erased ones say so. */
export function NamedMemory({ id, memories, loading }: { id: string; memories: ReadonlyMap<string, Memory>; loading: boolean }) {
  const memory = memories.get(id);
  if (memory) return <MemoryLink memory={memory} />;
  return <span class="faint">{loading ? "…" : `${id} is not there any more`}</span>;
}
