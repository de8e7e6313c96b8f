/** One memory: what it says, where it comes from, how it fades; and everything that can be done to it. */

import { useState } from "preact/hooks";
import { Link, useParams } from "wouter-preact";
import { useSWRConfig } from "swr";
import { memoryPath } from "../../data/api";
import { isCode, useList, useReadAnew, useVersioned } from "../../data/fetching";
import { act, isArchived, type Memory, reinstate } from "../../data/memories";
import { useGo, useHref } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { fullTime, Time } from "../../ui/format";
import { Marks } from "../../ui/memory";
import { Badge, Button, ButtonLink, ButtonTwice, Card, Empty, Facts, Failed, Loading, Notice, PageHead } from "../../ui/parts";
import { Marked, type Mark } from "../../ui/texts";
import { attempt } from "../../ui/toasts";
import { FactsCard, LinksCard, SourceCard } from "./Connections";
import { Correct, Supersede } from "./Correct";
import { KvCard } from "./KvCard";
import type { LinkOf } from "./links";
import "./memory.css";
import { ProvenanceCard } from "./ProvenanceCard";
import { RecallsCard } from "./RecallsCard";
import { RetentionCard } from "./RetentionCard";
import { type Version, VersionsCard } from "./VersionsCard";

type Fact = Schema<"FactOut">;

/** Where in the text the facts stand that were read in it. */
const marksOf = (facts: readonly Fact[]): Mark[] =>
  facts.flatMap((fact) => {
    const [from, to] = fact.span as number[];
    return typeof from === "number" && typeof to === "number" ? [{ from, to, title: `${fact.subject} ${fact.positive ? "" : "not "}${fact.attribute.replaceAll("_", " ")} ${fact.value}` }] : [];
  });

function Header({ memory }: { memory: Memory }) {
  const href = useHref();
  const names = (of: readonly string[], path: string, parameter: string) =>
    of.length > 0 && <span class="row">{of.map((one) => <Link key={one} class="badge tag" href={href(path, { [parameter]: one })}>{one}</Link>)}</span>;
  return (
    <Card title="The record">
      <Facts
        of={[
          ["Namespace", memory.namespace],
          ["Type", memory.memory_type],
          ["State", memory.state],
          ["Version", memory.version],
          ["Observed", fullTime(memory.observed_at)],
          ["True", (memory.valid_from || memory.valid_to) && `${memory.valid_from ? fullTime(memory.valid_from) : "…"} – ${memory.valid_to ? fullTime(memory.valid_to) : "…"}`],
          ["Stored", fullTime(memory.created_at)],
          ["Changed", memory.updated_at !== memory.created_at && fullTime(memory.updated_at)],
          ["Expires", memory.expires_at && fullTime(memory.expires_at)],
          ["User", memory.user_id && <Link key="user" href={href("/memories", { user: memory.user_id })}>{memory.user_id}</Link>],
          ["Agent", memory.agent_id && <Link key="agent" href={href("/memories", { agent: memory.agent_id })}>{memory.agent_id}</Link>],
          ["Session", memory.session_id && <Link key="session" href={href("/memories", { session: memory.session_id, order: "oldest" })}>{memory.session_id}</Link>],
          ["Tags", names(memory.tags, "/memories", "tag")],
          ["Names", names(memory.entities, "/recall", "q")],
          ["Keywords", memory.keywords.join(", ")],
          ["Importance", memory.importance.toFixed(2)],
          ["Confidence", memory.confidence.toFixed(2)],
          ["Trust", <span key="trust" class="row">{memory.trust.toFixed(2)}{memory.flags.map((flag) => <Badge key={flag} tone="warn">{flag.replaceAll("_", " ")}</Badge>)}</span>],
          ["Language", memory.language],
          ["Your id", memory.external_id],
          ["Changeset", memory.derivation.changeset_id && <Link key="changeset" href={href(`/changesets/${memory.derivation.changeset_id}`)}>the run that made it</Link>],
          ["Context", memory.context],
          ["Metadata", Object.keys(memory.metadata).length > 0 && <pre key="metadata">{JSON.stringify(memory.metadata, null, 2)}</pre>],
          ["Value", memory.value !== null && memory.value !== undefined && <pre key="value">{JSON.stringify(memory.value, null, 2)}</pre>],
          ["Id", <code key="id" class="tiny">{memory.id}</code>],
        ]}
      />
    </Card>
  );
}

/** Say that something newer took its place, and offer to take that back where a person did it. */
function Superseded({ memory, by, again }: { memory: Memory; by: string; again: () => Promise<void> }) {
  const href = useHref();
  const may = useMay("memories:write");
  const run = memory.derivation.changeset_id;
  return (
    <Notice tone="warn">
      <span class="grow">
        Something newer took its place: <Link href={href(`/memories/${by}`)}>what is true now</Link>. Searches find this one below it.
        {run && <> <Link href={href(`/changesets/${run}`)}>The run that touched it</Link> can be taken back as a whole.</>}
      </span>
      {may && !run && !isArchived(memory) && (
        <ButtonTwice small icon="undo" sure="Archive the newer one" title="It holds again as before; what took its place is archived" onClick={() => void attempt(async () => { await reinstate(memory.id); await again(); }, "It holds again. What took its place is archived.")}>Reinstate</ButtonTwice>
      )}
    </Notice>
  );
}

function Loaded({ memory, etag, reread }: { memory: Memory; etag: string | null; reread: () => Promise<unknown> }) {
  const href = useHref();
  const go = useGo();
  const mayErase = useMay("memories:erase");
  const mayUseKv = useMay("kv:use");
  const [dialog, setDialog] = useState<"correct" | "supersede" | null>(null);
  const { mutate } = useSWRConfig();
  const readAnew = useReadAnew();
  const links = useList<LinkOf>(memoryPath(memory.id, "/links"), {}, 100);
  const facts = useList<Fact>(memoryPath(memory.id, "/facts"), {}, 100);
  const versions = useList<Version>(memoryPath(memory.id, "/versions"), {}, 100);
  const away = isArchived(memory);
  /** Everything on this page that a change may have changed. */
  const refresh = async () => {
    await Promise.all([
      reread(),
      mutate((key) => typeof key === "string" && key.includes(memory.id)),
      mutate((key) => Array.isArray(key) && key[0] === "memories by id" && String(key[1]).includes(memory.id)),
      versions.refresh(),
      facts.refresh(),
      links.refresh(),
      // What was computed of it goes with the version it was computed of.
      readAnew('["memories",', `memory_id=${memory.id}`),
    ]);
  };
  const again = (other: string) => async () => {
    await readAnew(memory.id, other, '["memories",');
    go(`/memories/${memory.id}`);
  };
  const perform = (verb: "pin" | "unpin" | "archive" | "restore") => {
    const { what, text, undo } = act(memory.id, verb, () => undefined);
    void attempt(async () => { await what(); await refresh(); }, text, async () => { await undo(); await refresh(); });
  };
  const first = versions.items.find((one) => one.version === 1);
  return (
    <>
      <PageHead
        title="Memory"
        actions={
          <>
            {!away && <Button icon="edit" onClick={() => setDialog("correct")}>Correct</Button>}
            {!away && !memory.superseded_by && <Button icon="changesets" onClick={() => setDialog("supersede")}>Supersede</Button>}
            {!away && <Button icon="pin" aria-pressed={memory.pinned} onClick={() => perform(memory.pinned ? "unpin" : "pin")}>{memory.pinned ? "Unpin" : "Pin"}</Button>}
            <Button icon={away ? "restore" : "archive"} onClick={() => perform(away ? "restore" : "archive")}>{away ? "Restore" : "Archive"}</Button>
            <ButtonLink href={href("/graph", { seed: memory.id })} icon="graph">Graph</ButtonLink>
            {mayErase && <ButtonLink href={href("/erasures", { ids: memory.id })} icon="erasure">Erase…</ButtonLink>}
          </>
        }
      />
      <div class="stack">
        {memory.superseded_by && memory.state !== "merged" && <Superseded memory={memory} by={memory.superseded_by} again={again(memory.superseded_by)} />}
        {away && <Notice><span>{memory.state === "merged" ? "Consolidation merged it into the memory that it repeats." : "It is archived: searches leave it out unless they ask for the archive."} Restoring brings it back as it was.</span></Notice>}
        {memory.trust < 0.5 && <Notice tone="bad"><span>It is trusted little: {memory.flags.join(", ").replaceAll("_", " ")}. Look before you rely on it.</span></Notice>}
        <div class="sides">
          <div class="stack">
            <Card class="memory-content">
              <div class="stack-s">
                {memory.title && memory.title !== memory.content && <h2>{memory.title}</h2>}
                <p class="memory-text verbatim"><Marked text={memory.content} marks={marksOf(facts.items)} /></p>
                <div class="row">
                  <Marks memory={memory} />
                  <span class="small faint">{memory.source.speaker ?? memory.source.role ?? memory.source.kind} · <Time at={memory.observed_at} /></span>
                  {facts.items.length > 0 && <span class="tiny faint"><mark class="span">underlined</mark> where a fact was read</span>}
                </div>
              </div>
            </Card>
            <RetentionCard id={memory.id} />
            <ProvenanceCard id={memory.id} />
            <LinksCard id={memory.id} list={links} />
            <VersionsCard id={memory.id} />
          </div>
          <div class="stack">
            <RecallsCard memory={memory} judged={() => void refresh()} live={!away && memory.state !== "expired"} />
            <FactsCard facts={facts.items} />
            <SourceCard memory={memory} first={first} />
            {mayUseKv && <KvCard id={memory.id} />}
            <Header memory={memory} />
          </div>
        </div>
      </div>
      <Correct open={dialog === "correct"} memory={memory} etag={etag} onClose={() => setDialog(null)} changed={refresh} />
      <Supersede open={dialog === "supersede"} memory={memory} etag={etag} onClose={() => setDialog(null)} made={(made) => { void refresh(); go(`/memories/${made.id}`); }} undone={(newer) => again(newer.id)()} />
    </>
  );
}

export default function MemoryPage() {
  const { id = "" } = useParams();
  const href = useHref();
  const read = useVersioned<Memory>(memoryPath(id));
  // What another page had read is not this memory.
  if (read.data && read.data.body.id === id) return <Loaded key={id} memory={read.data.body} etag={read.data.etag} reread={() => read.mutate()} />;
  if (!read.error) return <><PageHead title="Memory" /><Loading lines={8} /></>;
  if (isCode(read.error, "memory_not_found") || isCode(read.error, "erased") || isCode(read.error, "memory_erased"))
    return (
      <>
        <PageHead title="Memory" />
        <Empty title={isCode(read.error, "memory_not_found") ? "There is no such memory" : "It was erased"}>
          <p>{isCode(read.error, "memory_not_found") ? "The address may be of another tenant or service." : "Only a tombstone is left, so that the text does not come back."}</p>
          <ButtonLink href={href("/memories")}>All memories</ButtonLink>
        </Empty>
      </>
    );
  return <><PageHead title="Memory" /><Failed error={read.error} retry={() => void read.mutate()} /></>;
}
