/** The way in: a key of the service, or the link that it printed. */

import { useState } from "preact/hooks";
import { useSession } from "../data/session";
import { Button, Field, Notice } from "../ui/parts";

/** A link is asked about before it logs anybody in: whoever sends one could else slip their own session under the reader. */
export function ByLink() {
  const { session, link, refuse } = useSession();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const follow = async () => {
    setBusy(true);
    try {
      await link?.();
    } catch (reason) {
      setRefused(reason instanceof Error ? reason.message : String(reason));
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <section class="card stack">
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" />
        <h1>Log in by this link?</h1>
        {session ? (
          <Notice tone="warn">You are logged in to the tenant {session.tenant} with the key {session.key_name}. The link replaces that: follow it only if you asked for it.</Notice>
        ) : (
          <p class="quiet">Follow it if your own service printed it, or you asked for it. It works once.</p>
        )}
        {refused && <Notice tone="bad" role="alert">{refused}</Notice>}
        <div class="row">
          {!refused && <Button kind="primary" busy={busy} onClick={() => void follow()}>Log in</Button>}
          <Button onClick={refuse}>{session ? "Stay logged in" : "Use a key"}</Button>
        </div>
      </section>
    </main>
  );
}

export function Login() {
  const { logIn, error } = useSession();
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setRefused(null);
    try {
      await logIn({ api_key: key.trim() });
    } catch (reason) {
      setRefused(reason instanceof Error ? reason.message : String(reason));
    } finally {
      setBusy(false);
    }
  };
  const said = refused ?? error;
  return (
    <main class="login">
      <form class="card stack" onSubmit={submit}>
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" />
        <div>
          <h1>Memory service</h1>
          <p class="quiet">See what your agents remember, why it was found, and correct it.</p>
        </div>
        {said && <Notice tone="bad" role="alert">{said}</Notice>}
        <Field label="API key" hint={<>The first one lies in <code>var/api-key</code> of the checkout.</>}>
          {(id) => <input id={id} class="input mono" type="password" autoComplete="current-password" required value={key} onInput={(event) => setKey(event.currentTarget.value)} />}
        </Field>
        <Button type="submit" kind="primary" busy={busy} disabled={!key.trim()}>Log in</Button>
        <p class="small faint">Or run <code>memory-service admin-link</code> on the server: it prints a link that works once.</p>
      </form>
    </main>
  );
}
