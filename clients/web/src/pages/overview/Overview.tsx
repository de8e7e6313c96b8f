/** The state of a namespace at a glance: how much, how firm, what needs a person, what changed this week. */

import { Link } from "wouter-preact";
import type { ComponentChildren } from "preact";
import { isCode, useRead, type Read } from "../../data/fetching";
import { useHref, useNamespace } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { bytes, count, percent, plural, Time } from "../../ui/format";
import { Badge, ButtonLink, Card, Empty, Facts, Failed, Figure, Loading, PageHead, Shown } from "../../ui/parts";
import { Days } from "./Days";
import "./overview.css";

const REFRESH_MS = 30_000;
const WEEK = [
  ["created", "created"],
  ["changed", "changed"],
  ["superseded", "superseded"],
  ["merged", "merged"],
  ["archived", "archived"],
  ["erased", "erased"],
] as const;
const TYPE_COLOURS: Record<string, string> = {
  working: "var(--graph)",
  episodic: "var(--temporal)",
  semantic: "var(--vector)",
  procedural: "var(--keyword)",
  core: "var(--hopfield)",
};

type HealthReport = Schema<"HealthReportOut">;

export default function Overview() {
  const [namespace] = useNamespace();
  const report = useRead<HealthReport>("/v1/health-report", { namespace }, { refreshInterval: REFRESH_MS });
  const usage = useRead<Schema<"UsageOut">>("/v1/usage", { namespace }, { refreshInterval: REFRESH_MS });
  // Only where hosted models keep KV memory; a key without its scope sees the rest.
  const kv = useRead<Schema<"KvStatsOut">>(useMay("kv:use") ? "/v1/kv/stats" : null, undefined, { refreshInterval: REFRESH_MS });
  const absent = isCode(report.error, "namespace_not_found");
  return (
    <>
      <PageHead title="Overview">
        {report.data ? <>State of <strong>{namespace}</strong>, measured <Time at={report.data.measured_at} />.</> : <>State of <strong>{namespace}</strong>.</>}
      </PageHead>
      {absent || report.data?.memories.total === 0 ? (
        <FirstSteps namespace={namespace} />
      ) : report.error && !report.data ? (
        <Failed error={report.error} retry={() => void report.mutate()} />
      ) : report.data ? (
        <Panels report={report.data} usage={usage} kv={kv.data} />
      ) : (
        <Loading lines={8} />
      )}
    </>
  );
}

function FirstSteps({ namespace }: { namespace: string }) {
  const call = `curl -X POST ${location.origin}/v1/memories \\
  -H "Authorization: Bearer $(cat var/api-key)" \\
  -H "Content-Type: application/json" \\
  -d '{"namespace": "${namespace}", "content": "Ada prefers tea to coffee."}'`;
  return (
    <Card>
      <Empty icon="memories" title="Nothing is remembered here yet">
        <p>A namespace is made by the first write. Remember something, and it is here a moment later:</p>
        <pre tabIndex={0}>{call}</pre>
        <p class="small">Or send a whole conversation: <code>make demo</code>, then choose the namespace <code>demo</code> above.</p>
      </Empty>
    </Card>
  );
}

function Panels({ report, usage, kv }: { report: HealthReport; usage: Read<Schema<"UsageOut">>; kv: Schema<"KvStatsOut"> | undefined }) {
  const href = useHref();
  const { memories, retention, week } = report;
  const attention: [number, string, string, string][] = [
    [report.reviews_open, "decisions wait for a person", "/reviews", "Review"],
    [report.contradictions.open, "contradictions are open", "/reviews", "Look"],
    [report.duplicates.open, "possible duplicates", "/reviews", "Look"],
    [report.low_trust.open, "memories of low trust", "/reviews", "Look"],
  ];
  const open = attention.filter(([n]) => n > 0);
  const waiting = report.waiting.enrichment + report.waiting.consolidation;
  return (
    <div class="stack">
      <div class="figures">
        <Card><Figure name="live memories" value={count(memories.live)} /></Card>
        <Card><Figure name="of them superseded" value={count(memories.superseded)} /></Card>
        <Card><Figure name="junk" value={percent(report.junk.rate, 1)} title={plural(report.junk.count, "memory", "memories")} /></Card>
        <Card><Figure name="duplicates" value={percent(report.duplicates.rate, 1)} title={`${count(report.duplicates.merged)} merged, ${count(report.duplicates.open)} open`} /></Card>
        <Card><Figure name="contradicting links" value={count(report.contradictions.links)} /></Card>
        <Card><Figure name="wait for the background" value={count(waiting)} title={`${count(report.waiting.enrichment)} for enrichment, ${count(report.waiting.consolidation)} for consolidation`} /></Card>
      </div>

      <div class="overview-grid">
        <Card title="How firm they are" actions={<Link class="small" href={href("/settings/retention")}>Policy</Link>}>
          <Stacked
            parts={[
              ["firm", retention.firm, "var(--good)", "R ≥ 0.9"],
              ["fading", retention.fading, "var(--warn)", "0.5 – 0.9"],
              ["faint", retention.faint, "var(--bad)", "R < 0.5"],
            ]}
          />
        </Card>
        <Card title="What they are">
          <Stacked parts={Object.entries(memories.by_type).map(([type, n]) => [type, n, TYPE_COLOURS[type] ?? "var(--text-3)", ""] as const)} />
        </Card>
        <Card title="States" actions={<Link class="small" href={href("/memories")}>All memories</Link>}>
          <Stacked
            parts={Object.entries(memories.by_state).map(([state, n]) => [state, n, state === "activated" ? "var(--good)" : state === "frozen" ? "var(--accent)" : state === "generated" ? "var(--info)" : "var(--text-3)", ""] as const)}
          />
        </Card>
        <Card title="Needs a person">
          {open.length === 0 ? (
            <p class="quiet">Nothing waits. Uncertain duplicates, conflicts and texts of low trust come here before they change anything.</p>
          ) : (
            <ul class="stack-s">
              {open.map(([n, words, path, verb]) => (
                <li key={words} class="row-between">
                  <span><strong class="number">{count(n)}</strong> {words}</span>
                  <ButtonLink small href={href(path)}>{verb}</ButtonLink>
                </li>
              ))}
            </ul>
          )}
        </Card>
        <Card title="This week">
          <div class="week">
            {WEEK.map(([name, words]) => <Figure key={name} name={words} value={count(week[name])} />)}
          </div>
        </Card>
        <Card title="Last consolidation">
          {report.last_consolidation ? (
            <div class="stack-s">
              <div class="row-between">
                <Link href={href(`/changesets/${report.last_consolidation.changeset_id}`)}><Time at={report.last_consolidation.at} /></Link>
              </div>
              <div class="row">{Object.entries(report.last_consolidation.counts as Record<string, number>).map(([name, n]) => <Badge key={name}>{name} {count(n)}</Badge>)}</div>
            </div>
          ) : (
            <p class="quiet">Not yet. It runs by itself when a session has ended, or from the page of <Link href={href("/jobs")}>jobs</Link>.</p>
          )}
        </Card>
      </div>

      {kv && kv.count > 0 && (
        <Card title="KV memory of hosted models" actions={<Link class="small" href={href("/settings/kv")}>Details</Link>}>
          <div class="columns">
            <Figure name="blocks found" value={kv.hit_rate === null ? "—" : percent(kv.hit_rate, 1)} />
            <Figure name="kept" value={bytes(kv.bytes)} />
            <Figure name="of prefill spared" value={`${kv.saved_seconds.toLocaleString("en", { maximumFractionDigits: 1 })} s`} />
          </div>
        </Card>
      )}

      <Card title="The last thirty days">
        <Shown read={usage}>
          {(used) => (
            <div class="stack">
              <Days days={used.days} />
              <Facts
                of={[
                  ["Text kept", `${bytes(used.bytes.memories)} of memories, ${bytes(used.bytes.versions)} of older versions, ${bytes(used.bytes.documents)} of documents`],
                  ["Models", used.models.length > 0 && used.models.map((model) => `${model.model}: ${plural(model.calls, "call")}, ${count(model.prompt_tokens + model.completion_tokens)} tokens`).join("; ")],
                ]}
              />
            </div>
          )}
        </Shown>
      </Card>
    </div>
  );
}

/** Shares of a whole as one bar with a line for each part. */
function Stacked({ parts }: { parts: (readonly [string, number, string, string])[] }) {
  const shown = parts.filter(([, n]) => n > 0);
  const all = shown.reduce((sum, [, n]) => sum + n, 0);
  const rows: ComponentChildren = shown.map(([name, n, colour, hint]) => (
    <li key={name}>
      <span class="dot" style={{ background: colour }} />
      <span class="grow">{name} {hint && <span class="faint small">{hint}</span>}</span>
      <span class="number quiet">{count(n)}</span>
    </li>
  ));
  return (
    <div class="stack-s">
      <div class="stacked" aria-hidden="true">
        {shown.map(([name, n, colour]) => <span key={name} style={{ flexGrow: n, background: colour }} title={`${name}: ${count(n)} of ${count(all)}`} />)}
      </div>
      <ul class="stacked-legend">{rows}</ul>
    </div>
  );
}
