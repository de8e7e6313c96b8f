/** Whom and what the texts name. Two that are one can be merged, and the merge taken back. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import "./entities.css";
import { useList } from "../../data/fetching";
import { useSettled } from "../../data/names";
import { useHref, useNamespace, useParameters } from "../../data/place";
import { useMay } from "../../data/session";
import { count, plural, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Badge, Button, Card, Empty, Field, PageHead } from "../../ui/parts";
import { attempt } from "../../ui/toasts";
import { merge, unmerge, type Entity } from "./identity";

const ORDERS = [{ id: "latest", label: "Latest found" }, { id: "mentions", label: "Most mentioned" }, { id: "name", label: "By name" }];

export default function EntitiesPage() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const words = parameters.get("name") ?? "";
  const order = ORDERS.find((one) => one.id === parameters.get("order"))?.id ?? "latest";
  const [typed, setTyped] = useState(words);
  const q = useSettled(typed);
  const list = useList<Entity>("/v1/entities", { namespace, q: words, order }, 100);
  const may = useMay("memories:write");
  const [picked, setPicked] = useState<ReadonlyMap<string, Entity>>(new Map());
  useEffect(() => setPicked(new Map()), [namespace]);
  // The address follows the words once they rest, and the words the address when the browser goes back.
  const said = useRef(words);
  useEffect(() => {
    if (q === words) return;
    said.current = q;
    change({ name: q }, { replace: true });
  }, [q]);
  useEffect(() => { if (words !== said.current) setTyped(words); }, [words]);
  const pick = (entity: Entity) => setPicked((before) => {
    const next = new Map(before);
    if (!next.delete(entity.id)) next.set(entity.id, entity);
    return next;
  });
  return (
    <div class="stack">
      <PageHead title="Entities">People, places and things that memories name. Names are found by rules; you know better which of them are one.</PageHead>
      <div class="row entities-tools">
        <Field label="Name" class="grow">
          {(id) => <input id={id} class="input" type="search" maxLength={200} value={typed} placeholder="Part of a name" onInput={(event) => setTyped(event.currentTarget.value)} />}
        </Field>
        <Field label="Order">
          {(id) => <select id={id} class="select" value={order} onChange={(event) => change({ order: event.currentTarget.value === "latest" ? null : event.currentTarget.value })}>{ORDERS.map((one) => <option key={one.id} value={one.id}>{one.label}</option>)}</select>}
        </Field>
      </div>
      <p class="small quiet" role="status">{list.items.length ? `${plural(list.items.length, "entity", "entities")}${list.hasMore ? " so far" : ""}` : ""}</p>
      {picked.size > 0 && <Merge picked={[...picked.values()]} onDone={() => { setPicked(new Map()); void list.refresh(); }} onUndone={() => list.refresh()} onAway={() => setPicked(new Map())} />}
      <Card flush>
        <VirtualList
          list={list}
          keyOf={(one) => one.id}
          label="Entities"
          estimate={58}
          row={(one) => <Row entity={one} picked={picked.has(one.id)} onPick={may ? () => pick(one) : null} />}
          empty={words ? (
            <Empty icon="entities" title="No such name"><p>No entity of this namespace has “{words}” in one of its names.</p></Empty>
          ) : (
            <Empty icon="entities" title="No entities yet">
              <p>Write “Mara moved to Bergen” and two appear: Mara and Bergen. They are found in the background, by rules, from the spelling of names and from who speaks to whom.</p>
            </Empty>
          )}
        />
      </Card>
    </div>
  );
}

function Row({ entity, picked, onPick }: { entity: Entity; picked: boolean; onPick: (() => void) | null }) {
  const href = useHref();
  return (
    <div class="entity-row" data-picked={picked}>
      {onPick && <input type="checkbox" checked={picked} aria-label={`Pick ${entity.name} to merge`} onChange={onPick} />}
      <div class="grow">
        <Link href={href(`/entities/${entity.id}`)} class="wrap-anywhere"><strong>{entity.name}</strong></Link>
        {entity.aliases.length > 0 && <span class="small faint wrap-anywhere"> also {entity.aliases.join(", ")}</span>}
      </div>
      {entity.kind !== "name" && <Badge>{entity.kind}</Badge>}
      <span class="small number entity-count">{plural(entity.mentions, "mention")}</span>
      <span class="small faint hide-narrow entity-seen">{entity.last_seen && <Time at={entity.last_seen} />}</span>
    </div>
  );
}

function Merge({ picked, onDone, onUndone, onAway }: { picked: Entity[]; onDone: () => void; onUndone: () => Promise<unknown>; onAway: () => void }) {
  const most = picked.reduce((best, one) => (one.mentions > best.mentions ? one : best));
  const [chosen, setChosen] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const into = picked.find((one) => one.id === chosen) ?? most;
  const others = picked.filter((one) => one.id !== into.id);
  const run = async () => {
    setBusy(true);
    const worked = await attempt(
      () => merge(others, into),
      `${others.map((one) => one.name).join(", ")} ${others.length === 1 ? "is" : "are"} now ${into.name}.`,
      async () => { await unmerge(others, into); await onUndone(); },
    );
    setBusy(false);
    if (worked) onDone();
  };
  return (
    <section class="entities-merge card" aria-label="Merge">
      <span class="grow">{others.length ? <>{count(picked.length)} picked: they become one</> : "Pick another one that means the same"}</span>
      {others.length > 0 && (
        <>
          <label class="row">
            <span class="small quiet">and keep the name</span>
            <select class="select entities-keep" value={into.id} onChange={(event) => setChosen(event.currentTarget.value)}>
              {picked.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
            </select>
          </label>
          <Button kind="primary" icon="merge" busy={busy} onClick={() => void run()}>Merge</Button>
        </>
      )}
      <Button kind="quiet" onClick={onAway}>Let go</Button>
    </section>
  );
}
