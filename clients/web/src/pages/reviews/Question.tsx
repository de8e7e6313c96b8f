/** One question: the originals side by side, why it is asked, and the two answers. */

import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { Memory } from "../../data/memories";
import { useHref } from "../../data/place";
import { fullTime, percent } from "../../ui/format";
import { Badge, Button, Card, Facts, Loading, Notice } from "../../ui/parts";
import { DiffSide } from "../../ui/texts";
import { KINDS, PROPOSALS, type Review } from "./words";

function Original({ memory, other, side, label }: { memory: Memory | undefined; other: Memory | undefined; side: "before" | "after"; label: string }) {
  const href = useHref();
  if (!memory) return <section class="original"><span class="tiny faint">{label}</span><p class="faint small">This memory is not there any more.</p></section>;
  return (
    <section class="original" data-side={side} aria-label={label}>
      <span class="row-between"><Badge tone={side === "before" ? "warn" : "good"}>{label}</Badge><Link class="small" href={href(`/memories/${memory.id}`)}>open</Link></span>
      <p class="original-text">
        {other ? <DiffSide side={side} before={side === "before" ? memory.content : other.content} after={side === "before" ? other.content : memory.content} /> : <span class="verbatim">{memory.content}</span>}
      </p>
      <Facts
        of={[
          ["Said by", [memory.source.speaker ?? memory.source.role, memory.source.kind].filter(Boolean).join(", ")],
          ["From", memory.source.ref],
          ["Observed", fullTime(memory.observed_at)],
          ["True", (memory.valid_from || memory.valid_to) && `${memory.valid_from ? fullTime(memory.valid_from) : "…"} – ${memory.valid_to ? fullTime(memory.valid_to) : "…"}`],
          ["User", memory.user_id],
          ["Session", memory.session_id],
          ["State", memory.state],
          ["Trust", memory.trust < 1 && `${memory.trust.toFixed(2)}${memory.flags.length ? `: ${memory.flags.join(", ").replaceAll("_", " ")}` : ""}`],
          ["Recalled", memory.retention.recall_count > 0 && `${memory.retention.recall_count} times, would be recalled with ${percent(memory.retention.retrievability)}`],
        ]}
      />
    </section>
  );
}

interface Props {
  review: Review;
  memories: ReadonlyMap<string, Memory>;
  loading: boolean;
  decide: (verb: "approve" | "decline") => Promise<void>;
  undo: () => Promise<void>;
}

export function Question({ review, memories, loading, decide, undo }: Props) {
  const href = useHref();
  const [busy, setBusy] = useState(false);
  const kind = KINDS[review.kind];
  const proposal = PROPOSALS[review.proposal] ?? { does: review.proposal, approve: "Approve", decline: "Decline", goes: "the first", stays: "the second" };
  const [goes, stays] = review.memory_ids.map((id) => memories.get(id));
  const alone = review.memory_ids.length < 2;
  const busily = (what: () => Promise<void>) => async () => {
    setBusy(true);
    await what().finally(() => setBusy(false));
  };
  return (
    <Card class="question" title={kind.asks} actions={<Badge tone={kind.tone}>{kind.one}</Badge>}>
      <div class="stack">
        <p class="small quiet">
          {review.method === "person" ? "Asked by a person" : review.method === "rules" ? "Rules found" : `${review.method} found`}: <b>{review.reason}</b>
          {review.score !== null && <> · {review.kind === "low_trust" ? "trust" : "likeness"} <b class="number">{review.score.toFixed(2)}</b></>}
          {review.changeset_id && <> · <Link href={href(`/changesets/${review.changeset_id}`)}>the run that asked</Link></>}
        </p>
        {loading && !goes ? <Loading /> : (
          <div class={alone ? "originals originals-one" : "originals"}>
            <Original memory={goes} other={alone ? undefined : stays} side="before" label={proposal.goes} />
            {!alone && <Original memory={stays} other={goes} side="after" label={proposal.stays} />}
          </div>
        )}
        {!alone && <p class="tiny faint"><del>struck</del> is only in the first, <ins>underlined</ins> only in the second.</p>}
        {review.status === "open" ? (
          <div class="stack-s">
            <p class="small">{proposal.does}</p>
            <div class="row question-actions">
              <Button kind="primary" icon="good" busy={busy} aria-keyshortcuts="a" onClick={() => void busily(() => decide("approve"))()}>{proposal.approve}</Button>
              <Button icon="close" busy={busy} aria-keyshortcuts="d" onClick={() => void busily(() => decide("decline"))()}>{proposal.decline}</Button>
            </div>
          </div>
        ) : (
          <Notice tone={review.status === "approved" ? "good" : "info"}>
            <span class="row">
              <span class="grow">
                {review.status === "withdrawn" ? "Withdrawn: the run that asked was reverted." : `You or somebody ${review.status} it${review.decided_at ? ` on ${fullTime(review.decided_at)}` : ""}.`}
                {review.decision_changeset_id && <> <Link href={href(`/changesets/${review.decision_changeset_id}`)}>What that changed</Link></>}
              </span>
              {review.status !== "withdrawn" && <Button small icon="undo" busy={busy} onClick={() => void busily(undo)()}>Take it back</Button>}
            </span>
          </Notice>
        )}
      </div>
    </Card>
  );
}
