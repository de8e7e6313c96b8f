/** What hangs on a memory: links, facts, sources. */

import { type Listed, useRead } from "../../data/fetching";
import { type Memory, useMemoriesById } from "../../data/memories";
import type { Schema } from "../../data/types";
import { dayOf } from "../../ui/format";
import { NamedMemory } from "../../ui/memory";
import { Badge, Button, Card, Facts, Failed, Loading } from "../../ui/parts";
import { Marked } from "../../ui/texts";
import type { Version } from "./VersionsCard";
import { inWords, type LinkOf, otherEnd } from "./links";

export function LinksCard({ id, list }: { id: string; list: Listed<LinkOf> }) {
  const { memories, loading } = useMemoriesById(list.items.map((link) => otherEnd(link, id)));
  const types = [...new Set(list.items.map((link) => link.type))];
  return (
    <Card title={list.items.length ? `${list.items.length}${list.hasMore ? "+" : ""} ${list.items.length === 1 ? "link" : "links"}` : "Links"}>
      {list.error ? <Failed error={list.error} retry={() => void list.refresh()} /> : !list.items.length ? (list.loading ? <Loading /> : <p class="small faint">No links yet. Consolidation draws them to what is similar, names the same, contradicts or follows.</p>) : (
        <div class="stack">
          {types.map((type) => (
            <div key={type} class="stack-s">
              <h3><span class="row">{type.replaceAll("_", " ")} <Badge>{list.items.filter((link) => link.type === type).length}</Badge></span></h3>
              <ul class="linked">
                {list.items.filter((link) => link.type === type).map((link) => (
                  <li key={link.id}>
                    <span class="small"><span class="faint">{inWords(link, id)}</span> <NamedMemory id={otherEnd(link, id)} memories={memories} loading={loading} /></span>
                    <span class="tiny faint number" title={`weight; made by ${link.derivation.method}`}>{link.weight.toFixed(2)}</span>
                  </li>
                ))}
              </ul>
            </div>
          ))}
          {list.hasMore && <Button small onClick={list.loadMore} busy={list.loading}>More links</Button>}
        </div>
      )}
    </Card>
  );
}

export function FactsCard({ facts }: { facts: readonly Schema<"FactOut">[] }) {
  if (!facts.length) return null;
  return (
    <Card title={facts.length === 1 ? "One fact" : `${facts.length} facts`}>
      <ul class="stack-s small">
        {facts.map((fact, n) => (
          <li key={n}>
            <b>{fact.subject}</b> {fact.positive ? "" : "not "}{fact.attribute.replaceAll("_", " ")} <b>{fact.value}{fact.unit ? ` ${fact.unit}` : ""}</b>
            {(fact.valid_from || fact.valid_to) && <span class="faint"> · {fact.valid_from ? dayOf(fact.valid_from) : "…"} – {fact.valid_to ? dayOf(fact.valid_to) : "…"}</span>}
            {fact.ended && <Badge>ended</Badge>} <span class="tiny faint">{fact.method}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

const AROUND = 160; // characters shown before and after a span of a document

/** The piece of the document that a memory was cut from, with its surroundings. */
function OfDocument({ document, span }: { document: string; span: readonly number[] }) {
  const read = useRead<Schema<"DocumentRead">>(`/v1/documents/${encodeURIComponent(document)}`, {}, { shouldRetryOnError: false });
  if (read.error) return <p class="small faint">The document is not there any more.</p>;
  if (!read.data) return <Loading lines={2} />;
  const points = [...read.data.content];
  const [from = 0, to = points.length] = span;
  const start = Math.max(0, from - AROUND);
  const end = Math.min(points.length, to + AROUND);
  return (
    <figure class="stack-s">
      <figcaption class="small">{read.data.title ?? "Untitled document"} <span class="faint">version {read.data.version}</span></figcaption>
      <blockquote class="excerpt small verbatim">{start > 0 && "…"}<Marked text={points.slice(start, end).join("")} marks={[{ from: from - start, to: to - start, title: "this memory" }]} />{end < points.length && "…"}</blockquote>
    </figure>
  );
}

const UUID = /^[0-9a-f-]{36}$/i;

/** Where it was said, with the span; the text of a turn is what the first version kept. */
export function SourceCard({ memory, first }: { memory: Memory; first: Version | undefined }) {
  const { source } = memory;
  const { memories, loading } = useMemoriesById(memory.derivation.parents);
  const document = source.kind === "document" && source.ref && UUID.test(source.ref) ? source.ref : null;
  const said = first && first.content !== memory.content ? first.content : null;
  return (
    <Card title="Source">
      <div class="stack-s">
        <Facts
          of={[
            ["Kind", source.kind],
            ["Said by", [source.speaker, source.role].filter(Boolean).join(", ")],
            ["Reference", document ? null : source.ref],
            ["Span", source.span && `characters ${source.span[0]}–${source.span[1]}`],
            ["Made by", memory.derivation.method === "verbatim" ? "kept word for word" : memory.derivation.method],
            ["SHA-256", source.hash && <code key="hash" title={source.hash}>{source.hash.slice(0, 16)}…</code>],
          ]}
        />
        {document && <OfDocument document={document} span={source.span ?? []} />}
        {said && source.span && <figure class="stack-s"><figcaption class="small faint">As it was first said</figcaption><blockquote class="excerpt small verbatim"><Marked text={said} marks={[{ from: source.span[0] ?? 0, to: source.span[1] ?? said.length, title: "the span that this memory is of" }]} /></blockquote></figure>}
        {memory.derivation.parents.length > 0 && (
          <div class="stack-s">
            <h3>Made of</h3>
            <ul class="stack-s small">{memory.derivation.parents.map((parent) => <li key={parent}><NamedMemory id={parent} memories={memories} loading={loading} /></li>)}</ul>
          </div>
        )}
      </div>
    </Card>
  );
}
