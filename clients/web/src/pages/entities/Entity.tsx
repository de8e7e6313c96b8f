/** One entity: its names, what was said of it, and who it really is. */

import { useState } from "preact/hooks";
import { Link, useParams } from "wouter-preact";
import "./entities.css";
import { type Listed, useList, useRead } from "../../data/fetching";
import { useHref } from "../../data/place";
import { useMay } from "../../data/session";
import type { Page, Schema } from "../../data/types";
import { count, plural, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Circumstances } from "../../ui/memory";
import { Badge, Button, ButtonLink, Card, Empty, Facts, Field, Notice, PageHead, Shown } from "../../ui/parts";
import { Marked } from "../../ui/texts";
import { attempt } from "../../ui/toasts";
import { merge, split, unmerge, type Entity } from "./identity";
import { isNamed, useNames } from "../../data/names";

type Mention = Schema<"MentionOut">;

export default function EntityPage() {
  const { id } = useParams<{ id: string }>();
  const read = useRead<Entity>(`/v1/entities/${id}`);
  return (
    <Shown read={read}>
      {(entity) => <Known key={entity.id} entity={entity} refresh={() => read.mutate()} />}
    </Shown>
  );
}

function Known({ entity, refresh }: { entity: Entity; refresh: () => Promise<unknown> }) {
  const href = useHref();
  const may = useMay("memories:write") && !entity.merged_into;
  const mentions = useList<Mention>(`/v1/entities/${entity.id}/mentions`, {}, 50);
  const renew = async () => { await Promise.all([refresh(), mentions.refresh()]); };
  return (
    <div class="stack">
      <PageHead
        title={entity.name}
        actions={
          <>
            <ButtonLink icon="graph" href={href("/graph", { seed: entity.id, pick: entity.id })}>In the graph</ButtonLink>
            <ButtonLink icon="recall" href={href("/recall", { q: entity.name })}>Ask about it</ButtonLink>
          </>
        }
      >
        <Link href={href("/entities")}>Entities</Link>{entity.kind === "name" ? "" : ` · ${entity.kind}`}
      </PageHead>
      {entity.merged_into && (
        <Notice tone="warn">
          <span>This entity was merged: <Link href={href(`/entities/${entity.merged_into}`)}>another one</Link> has its names and mentions now. Splitting its names off there brings it back.</span>
        </Notice>
      )}
      <div class="sides">
        <Mentions list={mentions} entity={entity} />
        <div class="stack">
          <Card>
            <Facts
              of={[
                ["Mentions", count(entity.mentions)],
                ["First seen", entity.first_seen && <Time at={entity.first_seen} exact />],
                ["Last seen", entity.last_seen && <Time at={entity.last_seen} exact />],
              ]}
            />
          </Card>
          {may && <Names entity={entity} renew={renew} />}
          {may && <Same entity={entity} renew={renew} />}
          <Said entity={entity} />
        </div>
      </div>
    </div>
  );
}

/** Every memory that names it, page after page while one scrolls; marked where it stands in the text. */
function Mentions({ list, entity }: { list: Listed<Mention>; entity: Entity }) {
  const href = useHref();
  return (
    <Card title={<>Mentions {entity.mentions > 0 && <span class="faint number">{count(entity.mentions)}</span>}</>} flush>
      <VirtualList
        list={list}
        keyOf={(one) => one.memory.id}
        label="Memories that mention it"
        estimate={72}
        empty={<Empty icon="memories" title="Nothing names it now"><p>{entity.merged_into ? "What did names the other entity now." : "The memories that did are archived, expired or erased."}</p></Empty>}
        row={({ memory, names, spans }) => (
          <article class="entity-mention" aria-label={memory.content.slice(0, 80)}>
            <Link href={href(`/memories/${memory.id}`)} class="memory-link wrap-anywhere clamp-3"><Marked text={memory.content} marks={spans.map(([from = 0, to = 0]) => ({ from, to, title: names.join(", ") }))} /></Link>
            <span class="row">{memory.superseded_by && <Badge tone="warn">superseded</Badge>}<Circumstances memory={memory} /></span>
          </article>
        )}
      />
    </Card>
  );
}

function Names({ entity, renew }: { entity: Entity; renew: () => Promise<void> }) {
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const [busy, setBusy] = useState(false);
  const names = [...off];
  const run = async () => {
    setBusy(true);
    let made: Entity | null = null;
    await attempt(
      async () => {
        made = await split(entity, names);
        await renew();
      },
      `${names.join(", ")} ${names.length === 1 ? "is" : "are"} somebody else now.`,
      async () => {
        if (made) await merge([made], entity);
        await renew();
      },
    );
    setOff(new Set());
    setBusy(false);
  };
  return (
    <Card title="Names">
      {entity.aliases.length === 0 ? <p class="small quiet">Only {entity.name}. Merging another entity into this one gives it a second name.</p> : (
        <div class="stack-s">
          <p class="small quiet">Listed as <strong>{entity.name}</strong>. Pick names that mean somebody else.</p>
          {entity.aliases.map((name) => (
            <label key={name} class="check">
              <input type="checkbox" checked={off.has(name)} onChange={() => setOff(new Set(off.has(name) ? names.filter((one) => one !== name) : [...names, name]))} />
              <span class="wrap-anywhere">{name}</span>
            </label>
          ))}
          <div><Button icon="split" busy={busy} disabled={!off.size} onClick={() => void run()}>Split off{off.size ? ` ${plural(off.size, "name")}` : ""}</Button></div>
        </div>
      )}
    </Card>
  );
}

function Same({ entity, renew }: { entity: Entity; renew: () => Promise<void> }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const suggested = useNames(entity.namespace, text);
  const others = suggested.filter((one) => one.id !== entity.id);
  const other = others.find((one) => isNamed(one, text));
  const run = async () => {
    if (!other) return;
    setBusy(true);
    const worked = await attempt(
      async () => {
        await merge([other], entity);
        await renew();
      },
      `${other.name} is now ${entity.name}.`,
      async () => {
        await unmerge([other], entity);
        await renew();
      },
    );
    if (worked) setText("");
    setBusy(false);
  };
  return (
    <Card title="The same as">
      <form class="stack-s" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <Field label="Another entity that is this one" hint={text && !other ? "No entity has this name." : `It and its mentions become ${entity.name}.`}>
          {(id) => <input id={id} class="input" list="entity-others" value={text} onInput={(event) => setText(event.currentTarget.value)} />}
        </Field>
        <datalist id="entity-others">{others.map((one) => <option key={one.id} value={one.name} />)}</datalist>
        <div><Button type="submit" icon="merge" busy={busy} disabled={!other}>Merge it into this one</Button></div>
      </form>
    </Card>
  );
}

function Said({ entity }: { entity: Entity }) {
  const href = useHref();
  const read = useRead<Page<Schema<"FactOut">>>("/v1/facts", { namespace: entity.namespace, subject: entity.name, limit: 50 });
  return (
    <Card title="Facts">
      <Shown read={read} lines={2}>
        {(page) => (page.data.length ? (
          <ul class="stack-s">
            {page.data.map((fact) => (
              <li key={`${fact.memory_id} ${fact.attribute} ${fact.value}`} class="small">
                <span class="faint">{fact.attribute.replaceAll("_", " ")}</span>{" "}
                <Link href={href(`/memories/${fact.memory_id}`)} class="wrap-anywhere">{fact.positive ? "" : "not "}{fact.value}</Link>{" "}
                {fact.superseded_by && <Badge tone="bad">superseded</Badge>}
              </li>
            ))}
          </ul>
        ) : <p class="small quiet">No facts were read about {entity.name}.</p>)}
      </Shown>
    </Card>
  );
}
