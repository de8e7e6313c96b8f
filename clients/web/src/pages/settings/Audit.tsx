/** Who changed what, in a chain that shows when somebody tampered with it. */

import { useState } from "preact/hooks";
import { get } from "../../data/api";
import { useList } from "../../data/fetching";
import { useParameters } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { count, plural, shortId, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Badge, Button, Card, Empty, Notice } from "../../ui/parts";
import { failed } from "../../ui/toasts";

type Event = Schema<"EventOut">;
type Verdict = Schema<"VerdictOut">;

export default function Audit() {
  const may = useMay("admin");
  const [parameters, change] = useParameters();
  const action = parameters.get("action") ?? "";
  const list = useList<Event>(may ? "/v1/audit" : null, { action });
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [busy, setBusy] = useState(false);
  if (!may) return <Notice tone="warn">The audit is read with a key of the scope <code>admin</code>.</Notice>;
  const verify = async () => {
    setBusy(true);
    try {
      setVerdict(await get<Verdict>("/v1/audit/verify"));
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  const actions = [...new Set([action, ...list.items.map((event) => event.action)])].filter(Boolean).sort();
  return (
    <div class="stack">
      <div class="row-between">
        <label class="row small">
          Action
          <select class="select" style={{ width: "auto" }} value={action} onChange={(event) => change({ action: event.currentTarget.value })}>
            <option value="">all</option>
            {actions.map((one) => <option key={one} value={one}>{one}</option>)}
          </select>
        </label>
        <Button icon="good" busy={busy} onClick={() => void verify()}>Verify the chain</Button>
      </div>
      {verdict && (
        <Notice tone={verdict.intact ? "good" : "bad"} role="status">
          {verdict.intact ? `Intact: ${plural(verdict.checked, "event")} checked` : `Broken at event ${verdict.broken_at?.seq}: ${verdict.broken_at?.reason}`}
          {verdict.unsealed > 0 && `, ${count(verdict.unsealed)} wait to be sealed`}.
        </Notice>
      )}
      <Card flush>
        <VirtualList label="Events" list={list} estimate={58} keyOf={(event) => event.id} row={(event) => <Row event={event} />} empty={<Empty title="No event" />} />
      </Card>
    </div>
  );
}

function Row({ event }: { event: Event }) {
  const details = Object.entries(event.details);
  return (
    <div class="setting-row">
      <div class="stack-s grow">
        <div class="row">
          <strong>{event.action}</strong>
          {event.subject && <span class="small quiet">{event.subject} {event.subject_id && <code>{shortId(event.subject_id)}</code>}</span>}
          {event.namespace && <Badge>{event.namespace}</Badge>}
        </div>
        {details.length > 0 && <span class="small faint wrap-anywhere">{details.map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(" · ")}</span>}
      </div>
      <span class="small quiet">{event.actor ? <>key <code>{shortId(event.actor)}</code></> : "worker"}</span>
      <span class="small quiet"><Time at={event.at} /></span>
      <span class="tiny faint mono" title={event.hash ?? "not sealed yet"}>{event.seq === null ? "unsealed" : `#${event.seq}`}</span>
    </div>
  );
}
