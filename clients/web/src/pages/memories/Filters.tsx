/** The row of filters above the list; everything stands in the address. */

import { useState } from "preact/hooks";
import { useRead } from "../../data/fetching";
import { useNamespace, useParameters } from "../../data/place";
import type { Page } from "../../data/types";
import { Button, Field } from "../../ui/parts";
import { TypedInput } from "../../ui/typed";
import { NAMES, ORDERS, orderOf, STATES, TYPES } from "./filters";

interface Scope {
  id: string;
  count: number;
}

/** Known ids of one kind, as suggestions while typing. */
function Known({ id, kind, namespace }: { id: string; kind: "users" | "agents" | "sessions"; namespace: string }) {
  const known = useRead<Page<Scope>>(`/v1/${kind}`, { namespace, limit: 200 });
  return <datalist id={id}>{known.data?.data.map((one) => <option key={one.id} value={one.id}>{`${one.count} memories`}</option>)}</datalist>;
}

export function Filters() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const said = (name: string) => parameters.get(name) ?? "";
  const set = (name: string) => (value: string | boolean) => change({ [name]: value === true ? "1" : value || null }, { replace: true });
  const more = ["user", "agent", "session", "tag", "pinned", "doubtful", "superseded"].filter(said);
  const [open, setOpen] = useState(more.length > 0);
  const used = NAMES.some((name) => said(name));
  return (
    <div class="card stack-s memory-filters">
      <div class="filter-row">
        <Field label="Words in it" class="filter-wide">
          {(id) => <TypedInput id={id} type="search" placeholder="ferry, Maja, …" value={said("text")} onValue={set("text")} />}
        </Field>
        <Field label="State">
          {(id) => (
            <select id={id} class="select" value={said("state") || "live"} onChange={(event) => set("state")(event.currentTarget.value === "live" ? "" : event.currentTarget.value)}>
              {STATES.map((one) => <option key={one} value={one}>{one === "live" ? "live ones" : one === "any" ? "any state" : one}</option>)}
            </select>
          )}
        </Field>
        <Field label="Type">
          {(id) => (
            <select id={id} class="select" value={said("type")} onChange={(event) => set("type")(event.currentTarget.value)}>
              <option value="">any type</option>
              {TYPES.map((one) => <option key={one} value={one}>{one}</option>)}
            </select>
          )}
        </Field>
        <Field label="Order">
          {(id) => (
            <select id={id} class="select" value={orderOf(parameters)} onChange={(event) => set("order")(event.currentTarget.value === "newest" ? "" : event.currentTarget.value)}>
              {ORDERS.map(([name, label]) => <option key={name} value={name}>{label}</option>)}
            </select>
          )}
        </Field>
      </div>
      <div class="row">
        <Button kind="quiet" small icon={open ? "down" : "right"} aria-expanded={open} onClick={() => setOpen(!open)}>
          More filters{more.length > 0 && ` (${more.length})`}
        </Button>
        {used && <Button kind="quiet" small icon="close" onClick={() => change(Object.fromEntries(NAMES.map((name) => [name, null])))}>Clear all</Button>}
      </div>
      {open && (
        <div class="filter-row">
          <Field label="User">
            {(id) => <><TypedInput id={id} list={`${id}-known`} value={said("user")} onValue={set("user")} /><Known id={`${id}-known`} kind="users" namespace={namespace} /></>}
          </Field>
          <Field label="Agent">
            {(id) => <><TypedInput id={id} list={`${id}-known`} value={said("agent")} onValue={set("agent")} /><Known id={`${id}-known`} kind="agents" namespace={namespace} /></>}
          </Field>
          <Field label="Session">
            {(id) => <><TypedInput id={id} list={`${id}-known`} value={said("session")} onValue={set("session")} /><Known id={`${id}-known`} kind="sessions" namespace={namespace} /></>}
          </Field>
          <Field label="Tags">
            {(id) => <TypedInput id={id} placeholder="all of: a, b" value={said("tag")} onValue={set("tag")} />}
          </Field>
          <div class="row filter-checks">
            {([["pinned", "pinned"], ["doubtful", "low trust"], ["superseded", "superseded"]] as const).map(([name, label]) => (
              <label key={name} class="check">
                <input type="checkbox" checked={said(name) !== ""} onChange={(event) => set(name)(event.currentTarget.checked)} />
                {label}
              </label>
            ))}
          </div>
        </div>
      )}
    </div>
  );
}
