/** How memories fade: the policy of a namespace, drawn, and what another one would have done. */

import { useMemo, useState } from "preact/hooks";
import { ApiError, call, post } from "../../data/api";
import { useVersioned } from "../../data/fetching";
import { useNamespace } from "../../data/place";
import { useMay } from "../../data/session";
import { bytes, count, percent, Time } from "../../ui/format";
import { Badge, Button, Card, Failed, Field, Figure, Meter, Notice, Shown } from "../../ui/parts";
import { attempt, done } from "../../ui/toasts";
import { Curves } from "./Curves";

const TYPES = ["working", "episodic", "semantic", "procedural", "core"] as const;

export interface Policy {
  curve: "power" | "ebbinghaus";
  stability_days: Record<(typeof TYPES)[number], number>;
  source_factors: Record<string, number>;
  int8_below: number;
  binary_below: number;
  archive_below: number;
  [other: string]: unknown;
}

interface Stored {
  id: string | null;
  policy: Policy;
  known_from: string | null;
}

interface Simulation {
  summary: string;
  memories: number;
  complete: boolean;
  archived: number;
  recalled_later: number;
  tiers: Record<string, number>;
  vector_bytes: { at_half: number; then: number; saved: number };
}

export default function Retention() {
  const [namespace] = useNamespace();
  const path = `/v1/policies/retention?namespace=${encodeURIComponent(namespace)}`;
  const read = useVersioned<Stored>(path);
  return (
    <Shown read={read}>
      {(answer) => <Editor key={`${namespace} ${answer.body.id}`} namespace={namespace} path={path} stored={answer.body} etag={answer.etag} refresh={() => read.mutate()} />}
    </Shown>
  );
}

function Editor({ namespace, path, stored, etag, refresh }: { namespace: string; path: string; stored: Stored; etag: string | null; refresh: () => Promise<unknown> }) {
  const may = useMay("admin");
  const [draft, setDraft] = useState<Policy>(stored.policy);
  const [simulation, setSimulation] = useState<Simulation | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState<"simulate" | "save" | null>(null);
  const changed = useMemo(() => JSON.stringify(draft) !== JSON.stringify(stored.policy), [draft, stored]);
  const set = (changes: Partial<Policy>) => {
    setDraft({ ...draft, ...changes });
    setSimulation(null);
  };
  const simulate = async () => {
    setBusy("simulate");
    setError(null);
    try {
      setSimulation(await post<Simulation>("/v1/policies/simulate", { namespace, policy: draft }));
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(null);
    }
  };
  const save = async () => {
    setBusy("save");
    setError(null);
    try {
      const written = await call<Stored>("PUT", path, { body: draft, headers: etag ? { "If-Match": etag } : {} });
      done("The policy is in force.", () => takeBack(path, stored, written.etag).then(refresh));
      await refresh();
    } catch (reason) {
      setError(reason instanceof ApiError && reason.problem.status === 412 ? new Error("Somebody else changed the policy meanwhile. Reload the page to see it.") : reason);
    } finally {
      setBusy(null);
    }
  };
  return (
    <div class="sides retention-sides">
      <div class="stack">
        <Card title={`How memories of ${namespace} fade`} actions={stored.id ? <Badge tone="accent">own policy</Badge> : <Badge>the defaults</Badge>}>
          <div class="stack">
            <Curves policy={draft} />
            {stored.known_from && <p class="small faint">In force since <Time at={stored.known_from} exact />.</p>}
          </div>
        </Card>
        {error !== null && <Failed error={error} />}
        {simulation && <Simulated of={simulation} />}
      </div>
      <Card title="Policy">
        <div class="stack">
          <Field label="Curve" hint="Power law (FSRS), or exponential (Ebbinghaus).">
            {(id) => (
              <select id={id} class="select" value={draft.curve} disabled={!may} onChange={(event) => set({ curve: event.currentTarget.value as Policy["curve"] })}>
                <option value="power">power law</option>
                <option value="ebbinghaus">exponential</option>
              </select>
            )}
          </Field>
          <fieldset class="choice-grid">
            <legend class="small quiet">Days until the retrievability falls to 0.9</legend>
            {TYPES.map((type) => (
              <Field key={type} label={type}>
                {(id) => <input id={id} class="input number" type="number" min={0.1} step="any" disabled={!may} value={draft.stability_days[type]} onInput={(event) => set({ stability_days: { ...draft.stability_days, [type]: event.currentTarget.valueAsNumber } })} />}
              </Field>
            ))}
          </fieldset>
          {([["archive_below", "Archive below"], ["int8_below", "Keep 8 bits below"], ["binary_below", "Keep 1 bit below"]] as const).map(([name, label]) => (
            <Field key={name} label={`${label} ${percent(Number(draft[name]))}`}>
              {(id) => <input id={id} type="range" min={0} max={1} step={0.01} disabled={!may} value={Number(draft[name])} onInput={(event) => set({ [name]: event.currentTarget.valueAsNumber })} />}
            </Field>
          ))}
          <div class="row">
            <Button icon="play" busy={busy === "simulate"} onClick={() => void simulate()}>Simulate</Button>
            {may && <Button kind="primary" busy={busy === "save"} disabled={!changed} onClick={() => void save()}>Put in force</Button>}
            {changed && <Button kind="quiet" onClick={() => { setDraft(stored.policy); setSimulation(null); }}>Discard</Button>}
            {may && stored.id && !changed && (
              <Button kind="quiet" onClick={() => void attempt(() => call("DELETE", path, etag ? { headers: { "If-Match": etag } } : {}).then(refresh), "Back to the defaults.", () => call("PUT", path, { body: stored.policy }).then(refresh))}>
                Use the defaults
              </Button>
            )}
          </div>
          {!may && <Notice>Changing it needs a key with the scope admin.</Notice>}
        </div>
      </Card>
    </div>
  );
}

async function takeBack(path: string, before: Stored, etag: string | null): Promise<unknown> {
  const headers: Record<string, string> = etag ? { "If-Match": etag } : {};
  return before.id ? call("PUT", path, { body: before.policy, headers }) : call("DELETE", path, { headers });
}

/** What the policy would have done to the memories that are there, had it been in force. */
function Simulated({ of }: { of: Simulation }) {
  const all = Math.max(1, of.memories);
  return (
    <Card title="Had it been in force">
      <div class="stack" role="status">
        <p><strong>{of.summary}</strong></p>
        <div class="columns">
          <Figure name="would be archived" value={count(of.archived)} />
          <Figure name="of these, recalled later" value={count(of.recalled_later)} />
          <Figure name="of vectors saved" value={bytes(of.vector_bytes.saved)} />
        </div>
        <div class="stack-s">
          {Object.entries(of.tiers).map(([tier, n]) => (
            <div key={tier} class="tier">
              <span class="small">{tier}</span>
              <Meter value={n / all} label={`Share kept as ${tier}`} />
              <span class="small number quiet">{count(n)}</span>
            </div>
          ))}
        </div>
        {!of.complete && <Notice tone="warn">Only the first memories were looked at: there are too many for one answer.</Notice>}
        <p class="small faint">Nothing was changed.</p>
      </div>
    </Card>
  );
}
