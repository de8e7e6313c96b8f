/** Every parameter of a search, in five groups. */

import type { ComponentChildren } from "preact";
import { Button, Field } from "../../ui/parts";
import { TypedInput } from "../../ui/typed";
import { ChannelWeights } from "../../ui/weights";
import { filterFault, type Name, type Settings, weightsOf, weightsText } from "./settings";

interface Props {
  settings: Settings;
  set: (changes: Settings) => void;
  namespace: string;
  /** What the service found wrong, by JSON pointer. */
  faults: { pointer: string; detail: string }[];
}

const POINTERS: Record<Name, string> = {
  where: "/namespace", user: "/user_id", agent: "/agent_id", session: "/session_id", filter: "/filter", k: "/top_k", preset: "/preset", channels: "/channels",
  valid: "/as_of/valid", known: "/as_of/known", now: "/now", from: "/window/from", to: "/window/to", sure: "/min_confidence", unlike: "/diversity", beside: "/neighbours",
  archived: "/include", tokens: "/token_budget", explain: "/explain",
};
const EXAMPLE = '{"AND": [{"tags": "ferry"}, {"observed_at": {"gte": "2026-01-01T00:00:00Z"}}]}';

const same = (text: string) => text;

/** A moment of a link, which has a zone, as a field for the reader's time shows it. */
function local(text: string): string {
  const at = new Date(text);
  if (!/[zZ]$|[+-]\d\d:\d\d$/.test(text) || Number.isNaN(at.getTime())) return text;
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function Group({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <fieldset class="setting-group">
      <legend>{name}</legend>
      {children}
    </fieldset>
  );
}

export function SettingsForm({ settings, set, namespace, faults }: Props) {
  const faultOf = (name: Name): string | null =>
    (name === "filter" ? filterFault(settings.filter) : null) ?? faults.find((one) => one.pointer.startsWith(POINTERS[name]))?.detail ?? null;
  const says = (name: Name, hint?: ComponentChildren) => {
    const fault = faultOf(name);
    return fault ? <span class="fault">{fault}</span> : hint;
  };
  const text = (name: Name, label: string, hint?: ComponentChildren, more: Record<string, unknown> = {}) => (
    <Field label={label} hint={says(name, hint)}>
      {(id) => <TypedInput id={id} value={(more["type"] === "datetime-local" ? local : same)(settings[name] ?? "")} onValue={(value) => set({ [name]: value })} aria-invalid={faultOf(name) !== null} {...more} />}
    </Field>
  );
  const numeric = (name: Name, label: string, hint: ComponentChildren, range: Record<string, number>, usual: string) =>
    text(name, label, hint, { type: "number", placeholder: usual, inputMode: "decimal", ...range });
  const when = (name: Name, label: string, hint?: ComponentChildren) => text(name, label, hint, { type: "datetime-local", step: 1 });
  const weights = weightsOf(settings.channels);
  const weigh = (name: string, value: number | null) => {
    const next = { ...(weights ?? {}) };
    if (value === null) delete next[name];
    else next[name] = value;
    set({ channels: weightsText(next) });
  };
  return (
    <div class="setting-groups">
      <Group name="How to look">
        <div class="setting-fields">
          <Field label="Preset" hint={says("preset", "Candidates per channel: 30, 50 or 200.")}>
            {(id) => (
              <select id={id} class="select" value={settings.preset ?? ""} onChange={(event) => set({ preset: event.currentTarget.value })}>
                <option value="">balanced (usual)</option>
                <option value="fast">fast</option>
                <option value="thorough">thorough</option>
              </select>
            )}
          </Field>
          {numeric("k", "Results", "At most 200.", { min: 1, max: 200 }, "10")}
          {numeric("unlike", "Diversity", "0 to 1: prefer what is unlike the results above.", { min: 0, max: 1, step: 0.1 }, "0")}
          {numeric("beside", "Neighbours", "Turns before and after each result.", { min: 0, max: 3 }, "0")}
          {numeric("sure", "Abstain below", "Confidence, 0 to 1.", { min: 0, max: 1, step: 0.05 }, "0.2")}
          {numeric("tokens", "Token budget", "Results stop before they exceed it.", { min: 1 }, "none")}
        </div>
      </Group>
      <Group name="Channels">
        <label class="check">
          <input type="checkbox" checked={weights !== null} onChange={(event) => set({ channels: event.currentTarget.checked ? "vector:1,keyword:1,graph:1,temporal:1" : "" })} />
          Choose channels; as usual otherwise
        </label>
        {weights && <ChannelWeights weights={weights} onWeigh={weigh} />}
        {faultOf("channels") && <span class="fault tiny">{faultOf("channels")}</span>}
        <p class="tiny faint">Several are factors on the usual weights; one alone ranks by that channel.</p>
      </Group>
      <Group name="Where to look">
        <div class="setting-fields">
          {text("where", "Namespaces", "Several with commas, or a prefix that ends with *.", { placeholder: namespace })}
          {text("user", "User")}
          {text("agent", "Agent")}
          {text("session", "Session")}
        </div>
        <label class="check"><input type="checkbox" checked={Boolean(settings.archived)} onChange={(event) => set({ archived: event.currentTarget.checked ? "1" : "" })} /> Archived memories, too</label>
      </Group>
      <Group name="Time">
        <div class="setting-fields setting-times">
          {when("valid", "True at", "What held then.")}
          {when("known", "Known at", "What we knew then.")}
          {when("from", "Window from", "Valid time, from …")}
          {when("to", "Window to", "… to before.")}
          {when("now", "Now is", "What “last week” counts from.")}
        </div>
      </Group>
      <Group name="Filter">
        <Field label="Filter in JSON" hint={says("filter", <>Such as <code>{EXAMPLE}</code></>)}>
          {(id) => (
            <textarea id={id} class="textarea mono" rows={4} spellcheck={false} value={settings.filter ?? ""} aria-invalid={faultOf("filter") !== null} onChange={(event) => set({ filter: event.currentTarget.value })} />
          )}
        </Field>
        {!settings.filter && <div><Button kind="quiet" small onClick={() => set({ filter: EXAMPLE })}>Begin with the example</Button></div>}
        <label class="check"><input type="checkbox" checked={settings.explain !== "no"} onChange={(event) => set({ explain: event.currentTarget.checked ? "" : "no" })} /> Explain: near misses, ranks without a channel</label>
      </Group>
    </div>
  );
}
