/** Add a memory by hand. */

import { useState } from "preact/hooks";
import { ApiError, call, post } from "../../data/api";
import type { Memory } from "../../data/memories";
import { memoryPath } from "../../data/api";
import { useNamespace } from "../../data/place";
import { Button, Dialog, Field, Notice } from "../../ui/parts";
import { done } from "../../ui/toasts";
import { TYPES } from "./filters";

const EMPTY = { content: "", memory_type: "semantic", user_id: "", session_id: "", tags: "", observed_at: "", importance: "", pinned: false };

/** A moment of `datetime-local`, which has no zone, as the service wants it. */
export const moment = (local: string): string | undefined => (local ? new Date(local).toISOString() : undefined);

export function AddMemory({ open, onClose, added }: { open: boolean; onClose: () => void; added: () => void }) {
  const [namespace] = useNamespace();
  const [form, setForm] = useState(EMPTY);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const set = (name: keyof typeof EMPTY) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setForm((before) => ({ ...before, [name]: value }));
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { body, status } = await call<Memory>("POST", "/v1/memories", {
        body: {
          namespace,
          content: form.content,
          memory_type: form.memory_type,
          user_id: form.user_id.trim() || undefined,
          session_id: form.session_id.trim() || undefined,
          tags: form.tags.split(",").map((one) => one.trim()).filter(Boolean),
          observed_at: moment(form.observed_at),
          importance: form.importance === "" ? undefined : Number(form.importance),
          pinned: form.pinned,
        },
      });
      if (status === 200) done("It was there already; nothing was stored.");
      else done("Remembered.", async () => { await post(memoryPath(body.id, "/archive")); added(); });
      setForm(EMPTY);
      onClose();
      added();
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open={open} title={`Add a memory to ${namespace}`} onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        {error !== null && (
          <Notice tone="bad" role="alert">
            <span>{error instanceof Error ? error.message : String(error)}{error instanceof ApiError && error.problem.errors?.map((one) => <span key={one.pointer}> <code>{one.pointer}</code> {one.detail}</span>)}</span>
          </Notice>
        )}
        <Field label="What is to be remembered" hint="Kept word for word. One fact or event is found better than a page.">
          {(id) => <textarea id={id} class="textarea" required autoFocus value={form.content} onInput={set("content")} />}
        </Field>
        <div class="columns form-columns">
          <Field label="Type">
            {(id) => <select id={id} class="select" value={form.memory_type} onChange={set("memory_type")}>{TYPES.map((one) => <option key={one} value={one}>{one}</option>)}</select>}
          </Field>
          <Field label="Observed at" hint="Now, unless you say so.">
            {(id) => <input id={id} class="input" type="datetime-local" value={form.observed_at} onInput={set("observed_at")} />}
          </Field>
          <Field label="User">{(id) => <input id={id} class="input" maxLength={256} value={form.user_id} onInput={set("user_id")} />}</Field>
          <Field label="Session">{(id) => <input id={id} class="input" maxLength={256} value={form.session_id} onInput={set("session_id")} />}</Field>
          <Field label="Tags">{(id) => <input id={id} class="input" placeholder="a, b" value={form.tags} onInput={set("tags")} />}</Field>
          <Field label="Importance" hint="0 to 1; worked out when empty.">
            {(id) => <input id={id} class="input" type="number" min={0} max={1} step={0.05} value={form.importance} onInput={set("importance")} />}
          </Field>
        </div>
        <label class="check"><input type="checkbox" checked={form.pinned} onChange={(event) => setForm({ ...form, pinned: event.currentTarget.checked })} /> Pin it: it does not fade</label>
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" busy={busy} disabled={!form.content.trim()}>Remember</Button>
        </div>
      </form>
    </Dialog>
  );
}
