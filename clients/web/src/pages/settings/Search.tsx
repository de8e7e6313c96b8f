/** How a namespace is searched where a search does not say: its policy, what feedback taught on top, and what guards both. */

import { useState } from "preact/hooks";
import { ApiError, call } from "../../data/api";
import { useVersioned } from "../../data/fetching";
import { useNamespace } from "../../data/place";
import { useMay } from "../../data/session";
import { Time } from "../../ui/format";
import { Badge, Button, Card, Failed, Field, Notice, Shown } from "../../ui/parts";
import { attempt, done } from "../../ui/toasts";
import { ChannelWeights, type Weights } from "../../ui/weights";
import { Learned } from "./Learned";
import { type FusionPolicy, MEANINGS, PRESETS, policyText, saysNothing } from "./fusion";
import { SavedQueries } from "./SavedQueries";

interface Stored {
  id: string | null;
  policy: FusionPolicy;
  known_from: string | null;
}

export default function Search() {
  const [namespace] = useNamespace();
  const path = `/v1/policies/fusion?namespace=${encodeURIComponent(namespace)}`;
  const read = useVersioned<Stored>(path);
  return (
    <div class="sides search-sides">
      <Shown read={read}>
        {(answer) => <Editor key={`${namespace} ${answer.etag}`} namespace={namespace} path={path} stored={answer.body} etag={answer.etag} refresh={() => read.mutate()} />}
      </Shown>
      <div class="stack">
        <Learned key={namespace} namespace={namespace} />
        <SavedQueries namespace={namespace} />
      </div>
    </div>
  );
}

function Editor({ namespace, path, stored, etag, refresh }: { namespace: string; path: string; stored: Stored; etag: string | null; refresh: () => Promise<unknown> }) {
  const may = useMay("admin");
  const [draft, setDraft] = useState<FusionPolicy>(stored.policy);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const changed = policyText(draft) !== policyText(stored.policy);
  const match = (tag: string | null) => (tag ? { headers: { "If-Match": tag } } : {});
  const put = (policy: FusionPolicy, tag: string | null) => call<Stored>("PUT", path, { body: policy, ...match(tag) });
  const drop = (tag: string | null) => call("DELETE", path, match(tag));
  const weigh = (channel: string, weight: number | null) => {
    const channels: Weights = { ...draft.channels };
    if (weight === null) delete channels[channel];
    else channels[channel] = weight;
    setDraft({ ...draft, channels });
  };
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const written = await put(draft, etag);
      done(`Searches of ${namespace} go by it.`, () => (stored.id ? put(stored.policy, written.etag) : drop(written.etag)).then(refresh));
      await refresh();
    } catch (reason) {
      setError(reason instanceof ApiError && reason.problem.status === 412 ? new Error("Somebody else changed the policy meanwhile. Reload the page to see it.") : reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title={`How ${namespace} is searched`} actions={stored.id ? <Badge tone="accent">own policy</Badge> : <Badge>as everywhere</Badge>}>
      <div class="stack">
        <p class="small quiet">For searches of this namespace alone that do not say it themselves.{stored.known_from && <> In force since <Time at={stored.known_from} exact />.</>}</p>
        <Field label="Preset" hint={PRESETS[draft.preset ?? "balanced"]}>
          {(id) => (
            <select id={id} class="select" value={draft.preset ?? ""} disabled={!may} onChange={(event) => setDraft({ ...draft, preset: (event.currentTarget.value || null) as FusionPolicy["preset"] })}>
              <option value="">balanced (usual)</option>
              {Object.keys(PRESETS).map((one) => <option key={one} value={one}>{one}</option>)}
            </select>
          )}
        </Field>
        <label class="check">
          <input type="checkbox" checked={draft.channels !== null} disabled={!may} onChange={(event) => setDraft({ ...draft, channels: event.currentTarget.checked ? { vector: 1, keyword: 1, graph: 1, temporal: 1 } : null })} />
          Choose channels; as usual otherwise
        </label>
        {draft.channels && <ChannelWeights weights={draft.channels} meanings={MEANINGS} disabled={!may} onWeigh={weigh} />}
        {draft.channels && <p class="tiny faint">Factors on the usual weights; what is off is not asked, and one alone ranks by that channel.</p>}
        {error !== null && <Failed error={error} />}
        <div class="row">
          {may && <Button kind="primary" busy={busy} disabled={!changed || saysNothing(draft)} onClick={() => void save()}>Put in force</Button>}
          {changed && <Button kind="quiet" onClick={() => { setDraft(stored.policy); setError(null); }}>Discard</Button>}
          {may && stored.id && !changed && (
            <Button kind="quiet" onClick={() => void attempt(() => drop(etag).then(refresh), "Searched as everywhere again.", () => put(stored.policy, null).then(refresh))}>Search as everywhere</Button>
          )}
        </div>
        {!may && <Notice>Changing it needs a key with the scope admin.</Notice>}
      </div>
    </Card>
  );
}
