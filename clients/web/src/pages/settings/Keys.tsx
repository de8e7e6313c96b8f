/** Keys of this tenant: who may do what, when each was last used. */

import { useState } from "preact/hooks";
import { post, remove } from "../../data/api";
import { useList } from "../../data/fetching";
import { useMay, useSession } from "../../data/session";
import type { Schema } from "../../data/types";
import { Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Badge, Button, ButtonTwice, Card, Dialog, Empty, Field, Notice } from "../../ui/parts";
import { attempt, failed } from "../../ui/toasts";

type Key = Schema<"KeyOut">;
type NewKey = Schema<"NewKeyOut">;

const SCOPES: Record<Schema<"KeyScope">, string> = {
  "memories:read": "read and search",
  "memories:write": "write and archive",
  "memories:erase": "erase for good",
  "kv:use": "KV memory of hosted models",
  admin: "keys, policies, audit of this tenant",
  operator: "tenants and encoders",
};

const over = (key: Key): string | null => (key.revoked_at ? "revoked" : key.expires_at && new Date(key.expires_at) <= new Date() ? "expired" : null);

export default function Keys() {
  const may = useMay("admin");
  const list = useList<Key>(may ? "/v1/api-keys" : null);
  const [secret, setSecret] = useState<NewKey | null>(null);
  const [making, setMaking] = useState(false);
  if (!may) return <Notice tone="warn">Keys are managed with a key of the scope <code>admin</code>.</Notice>;
  const take = (made: NewKey) => {
    setMaking(false);
    setSecret(made);
    void list.refresh();
  };
  return (
    <div class="stack">
      <div class="row-between">
        <p class="quiet">A key is shown once, when it is made. Here it is known by its beginning.</p>
        <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>New key</Button>
      </div>
      <Card flush>
        <VirtualList label="Keys" list={list} keyOf={(key) => key.id} row={(key) => <Row apiKey={key} refresh={list.refresh} show={take} />} empty={<Empty icon="key" title="No key" />} />
      </Card>
      <Making open={making} close={() => setMaking(false)} made={take} />
      <Dialog open={secret !== null} title="The new key" onClose={() => setSecret(null)} actions={<Button kind="primary" onClick={() => setSecret(null)}>I have kept it</Button>}>
        <Notice tone="warn">Copy it now: it is stored as a hash and cannot be shown again.</Notice>
        <code class="secret" tabIndex={0}>{secret?.key}</code>
        <Button onClick={() => void attempt(() => navigator.clipboard.writeText(secret?.key ?? ""), "Copied.")}>Copy</Button>
      </Dialog>
    </div>
  );
}

function Row({ apiKey, refresh, show }: { apiKey: Key; refresh: () => Promise<unknown>; show: (made: NewKey) => void }) {
  const { session } = useSession();
  const ended = over(apiKey);
  const path = `/v1/api-keys/${encodeURIComponent(apiKey.id)}`;
  const rotate = async () => {
    try {
      show(await post<NewKey>(`${path}/rotate`));
    } catch (error) {
      failed(error);
    }
  };
  return (
    <div class="setting-row">
      <div class="stack-s grow">
        <div class="row">
          <strong class="wrap-anywhere">{apiKey.name}</strong>
          <code class="small faint">{apiKey.prefix}…</code>
          {ended && <Badge tone="warn">{ended}</Badge>}
          {session?.key_id === apiKey.id && !ended && <Badge tone="accent">yours</Badge>}
        </div>
        <div class="row">{apiKey.scopes.map((scope) => <Badge key={scope}>{scope}</Badge>)}</div>
        <span class="small faint">
          made <Time at={apiKey.created_at} /> · last used <Time at={apiKey.last_used_at} />
          {apiKey.expires_at && <> · {ended === "expired" ? "expired" : "expires"} <Time at={apiKey.expires_at} /></>}
        </span>
      </div>
      {!ended && (
        <div class="row">
          <ButtonTwice small icon="restore" sure="Replace it now" onClick={() => void rotate()}>Rotate</ButtonTwice>
          <ButtonTwice small kind="danger" sure="Revoke for good" onClick={() => void attempt(() => remove(path).then(refresh), `${apiKey.name} is revoked.`)}>Revoke</ButtonTwice>
        </div>
      )}
    </div>
  );
}

function Making({ open, close, made }: { open: boolean; close: () => void; made: (key: NewKey) => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>(["memories:read", "memories:write"]);
  const [days, setDays] = useState("");
  const [busy, setBusy] = useState(false);
  const make = async () => {
    setBusy(true);
    try {
      const expires_at = days ? new Date(Date.now() + Number(days) * 86_400_000).toISOString() : null;
      made(await post<NewKey>("/v1/api-keys", { name: name.trim(), scopes, ...(expires_at ? { expires_at } : {}) }));
      setName("");
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      open={open}
      title="New key"
      onClose={close}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="primary" busy={busy} disabled={!name.trim() || scopes.length === 0} onClick={() => void make()}>Make the key</Button>
        </>
      }
    >
      <Field label="Name" hint="Who or what will use it.">
        {(id) => <input id={id} class="input" required value={name} onInput={(event) => setName(event.currentTarget.value)} />}
      </Field>
      <fieldset class="choice-list">
        <legend class="small quiet">It may</legend>
        {Object.entries(SCOPES).map(([scope, words]) => (
          <label key={scope} class="check">
            <input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => setScopes(event.currentTarget.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))} />
            <code>{scope}</code> <span class="faint small">{words}</span>
          </label>
        ))}
      </fieldset>
      <Field label="Days until it expires" hint="Empty: it does not.">
        {(id) => <input id={id} class="input" type="number" min={1} value={days} onInput={(event) => setDays(event.currentTarget.value)} style={{ maxWidth: 140 }} />}
      </Field>
    </Dialog>
  );
}
