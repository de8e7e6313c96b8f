/** The way in: a key of the service, or the link that it printed. */

import { useState } from "preact/hooks";
import { useSession } from "../data/session";
import { Button, Field, Notice } from "../ui/parts";

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
