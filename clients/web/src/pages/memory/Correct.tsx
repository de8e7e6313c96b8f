/** Correct a memory: the next version of it. Who was faster is shown, not overwritten. */

import { useEffect, useState } from "preact/hooks";
import { ApiError, call, memoryPath } from "../../data/api";
import { type Memory, reinstate } from "../../data/memories";
import { Button, Dialog, Field, Notice } from "../../ui/parts";
import { WordDiff } from "../../ui/texts";
import { done } from "../../ui/toasts";

const TYPES = ["working", "episodic", "semantic", "procedural", "core"] as const;
const FIELDS = ["content", "title", "memory_type", "tags", "keywords", "entities", "importance", "confidence", "observed_at", "valid_from", "valid_to", "expires_at", "user_id", "agent_id", "session_id", "metadata"] as const;
type FieldName = (typeof FIELDS)[number];
type Form = Record<FieldName, string>;

const LISTS = new Set<FieldName>(["tags", "keywords", "entities"]);
const NUMBERS = new Set<FieldName>(["importance", "confidence"]);
const TIMES = new Set<FieldName>(["observed_at", "valid_from", "valid_to", "expires_at"]);

/** A moment as `datetime-local` takes it, in the reader's zone. */
const local = (at: string | null): string => (at ? new Date(new Date(at).getTime() - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19) : "");

function formOf(memory: Memory): Form {
  const text = (name: FieldName): string => {
    const value = memory[name];
    if (value === null || value === undefined) return "";
    if (LISTS.has(name)) return (value as string[]).join(", ");
    if (TIMES.has(name)) return local(value as string);
    if (name === "metadata") return Object.keys(value as object).length ? JSON.stringify(value, null, 2) : "";
    return String(value);
  };
  return Object.fromEntries(FIELDS.map((name) => [name, text(name)])) as Form;
}

/** Return the value that a field of the form means. Throws SyntaxError for metadata that is no JSON. */
function valueOf(name: FieldName, text: string): unknown {
  if (LISTS.has(name)) return text.split(",").map((one) => one.trim()).filter(Boolean);
  if (name === "metadata") return text.trim() ? (JSON.parse(text) as unknown) : {};
  if (name === "content") return text;
  if (!text.trim()) return null;
  if (NUMBERS.has(name)) return Number(text);
  if (TIMES.has(name)) return new Date(text).toISOString();
  return text.trim();
}

/** Return what differs, as a PATCH says it. */
function changesOf(before: Form, after: Form): Record<string, unknown> {
  return Object.fromEntries(FIELDS.filter((name) => before[name] !== after[name]).map((name) => [name, valueOf(name, after[name])]));
}

interface Props {
  open: boolean;
  memory: Memory;
  etag: string | null;
  onClose: () => void;
  changed: () => Promise<unknown>;
}

export function Correct({ open, memory, etag, onClose, changed }: Props) {
  const [start, setStart] = useState(() => formOf(memory));
  const [form, setForm] = useState(start);
  const [match, setMatch] = useState(etag);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [theirs, setTheirs] = useState<Memory | null>(null);
  // What is edited is what was seen when the window opened; a refresh behind it changes nothing in it.
  useEffect(() => {
    if (!open) return;
    setStart(formOf(memory));
    setForm(formOf(memory));
    setMatch(etag);
    setError(null);
    setTheirs(null);
  }, [open]);
  const path = memoryPath(memory.id);
  const set = (name: FieldName) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setForm((before) => ({ ...before, [name]: value }));
  };
  const save = async (against: string | null) => {
    setBusy(true);
    setError(null);
    try {
      const changes = changesOf(start, form);
      const saved = await call<Memory>("PATCH", path, { body: changes, ...(against ? { headers: { "If-Match": against } } : {}) });
      const back = Object.fromEntries(Object.keys(changes).map((name) => [name, memory[name as keyof Memory]]));
      done(`Corrected: version ${saved.body.version}.`, async () => {
        await call("PATCH", path, { body: back, ...(saved.etag ? { headers: { "If-Match": saved.etag } } : {}) });
        await changed();
      });
      onClose();
      await changed();
    } catch (reason) {
      if (reason instanceof ApiError && reason.problem.status === 412) {
        const now = await call<Memory>("GET", path);
        setTheirs(now.body);
        setMatch(now.etag);
      } else setError(reason);
    } finally {
      setBusy(false);
    }
  };
  const takeTheirs = () => {
    if (!theirs) return;
    setStart(formOf(theirs));
    setForm(formOf(theirs));
    setTheirs(null);
    void changed();
  };
  const dirty = FIELDS.some((name) => start[name] !== form[name]);
  const line = (name: FieldName, label: string, hint?: string, more: Record<string, unknown> = {}) => (
    <Field label={label} hint={hint}>{(id) => <input id={id} class="input" value={form[name]} onInput={set(name)} {...more} />}</Field>
  );
  return (
    <Dialog open={open} title={`Correct version ${memory.version}`} onClose={onClose}>
      <form class="stack" onSubmit={(event) => { event.preventDefault(); void save(match); }}>
        {error !== null && (
          <Notice tone="bad" role="alert">
            <span>{error instanceof Error ? error.message : String(error)}{error instanceof ApiError && error.problem.errors?.map((one) => <span key={one.pointer}> <code>{one.pointer}</code> {one.detail}</span>)}</span>
          </Notice>
        )}
        {theirs && (
          <Notice tone="warn" role="alert">
            <div class="stack-s">
              <b>Somebody changed it meanwhile: it is version {theirs.version} now.</b>
              <p class="theirs"><WordDiff before={theirs.content} after={form.content} /></p>
              <span class="small">Struck is what only theirs says, underlined what only yours says.</span>
              <div class="row">
                <Button small onClick={takeTheirs}>Go on from theirs</Button>
                <Button small busy={busy} onClick={() => void save(match)}>Save mine as version {theirs.version + 1}</Button>
              </div>
            </div>
          </Notice>
        )}
        <Field label="What it says">{(id) => <textarea id={id} class="textarea" rows={5} required value={form.content} onInput={set("content")} />}</Field>
        <div class="columns form-columns">
          {line("title", "Title")}
          <Field label="Type">{(id) => <select id={id} class="select" value={form.memory_type} onChange={set("memory_type")}>{TYPES.map((one) => <option key={one} value={one}>{one}</option>)}</select>}</Field>
          {line("tags", "Tags", "with commas")}
          {line("entities", "Names in it", "with commas")}
          {line("importance", "Importance", "0 to 1", { type: "number", min: 0, max: 1, step: "any" })}
          {line("confidence", "Confidence", "0 to 1", { type: "number", min: 0, max: 1, step: "any" })}
          {line("valid_from", "True from", undefined, { type: "datetime-local", step: 1 })}
          {line("valid_to", "True to", undefined, { type: "datetime-local", step: 1 })}
        </div>
        <details>
          <summary class="small">Everything else</summary>
          <div class="columns form-columns details-body">
            {line("keywords", "Keywords", "with commas")}
            {line("observed_at", "Observed at", undefined, { type: "datetime-local", step: 1 })}
            {line("expires_at", "Expires at", undefined, { type: "datetime-local", step: 1 })}
            {line("user_id", "User")}
            {line("agent_id", "Agent")}
            {line("session_id", "Session")}
            <Field label="Metadata in JSON">{(id) => <textarea id={id} class="textarea mono" rows={3} spellcheck={false} value={form.metadata} onInput={set("metadata")} />}</Field>
          </div>
        </details>
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" busy={busy} disabled={!dirty || !form.content.trim() || theirs !== null}>Save the next version</Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Say what is true instead, from when on: the old memory stays, and is found below the new one. */
export function Supersede({ open, memory, etag, onClose, made, undone }: { open: boolean; memory: Memory; etag: string | null; onClose: () => void; made: (memory: Memory) => void; undone: (newer: Memory) => Promise<unknown> }) {
  const [content, setContent] = useState("");
  const [from, setFrom] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    if (open) {
      setContent(memory.content);
      setFrom("");
      setError(null);
    }
  }, [open]);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const answer = await call<Memory>("POST", memoryPath(memory.id, "/supersede"), { body: { content, ...(from ? { valid_from: new Date(from).toISOString() } : {}) }, ...(etag ? { headers: { "If-Match": etag } } : {}) });
      done("Superseded. The old memory stays and stands below the new one.", async () => {
        await reinstate(memory.id);
        await undone(answer.body);
      });
      onClose();
      made(answer.body);
    } catch (reason) {
      setError(reason instanceof ApiError && reason.problem.status === 412 ? "Somebody changed it meanwhile. Close this and look at what it says now." : reason instanceof Error ? reason.message : String(reason));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open={open} title="What is true instead" onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        {error && <Notice tone="bad" role="alert">{error}</Notice>}
        <Field label="The new memory" hint="For what has changed in the world. What was wrong from the start is corrected instead.">{(id) => <textarea id={id} class="textarea" rows={4} required value={content} onInput={(event) => setContent(event.currentTarget.value)} />}</Field>
        {content.trim() !== "" && content !== memory.content && <p class="small difference"><WordDiff before={memory.content} after={content} /></p>}
        <Field label="True from" hint="Now, unless you say so. Until then the old one counts as true.">{(id) => <input id={id} class="input" type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />}</Field>
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" busy={busy} disabled={!content.trim() || content === memory.content}>Supersede</Button>
        </div>
      </form>
    </Dialog>
  );
}
