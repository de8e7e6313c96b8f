/** The review inbox: what rules or a model were not sure about, one question at a time. */

import { useCallback, useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import { Link } from "wouter-preact";
import { post } from "../../data/api";
import { useList } from "../../data/fetching";
import { useMemoriesById } from "../../data/memories";
import { useHref, useNamespace, useParameters } from "../../data/place";
import type { Schema } from "../../data/types";
import { Time } from "../../ui/format";
import { Badge, Button, Card, Empty, Failed, Loading, PageHead, Tabs } from "../../ui/parts";
import { attempt } from "../../ui/toasts";
import { Question } from "./Question";
import "./reviews.css";
import { KINDS, type Review } from "./words";

const STATUSES = ["open", "approved", "declined", "withdrawn"] as const;
const MOST_COUNTED = 200;

/** The decision before last is forgotten: `u` takes back the last one. */
let last: string | null = null;

export default function Reviews() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const href = useHref();
  const status = parameters.get("status") ?? "open";
  const kind = parameters.get("kind");
  const everywhere = parameters.get("everywhere") !== null;
  const where = everywhere ? {} : { namespace };
  const list = useList<Review>("/v1/reviews", { ...where, status, kind }, 50);
  const open = useList<Schema<"ReviewOut">>("/v1/reviews", { ...where, status: "open" }, MOST_COUNTED);
  const reviews = list.items;
  const at = Math.max(0, reviews.findIndex((one) => one.id === parameters.get("id")));
  const chosen = reviews[at];
  const { memories, loading } = useMemoriesById(useMemo(() => reviews.flatMap((one) => one.memory_ids), [reviews]));
  const choose = useCallback((id: string | undefined) => change({ id: id ?? null }, { replace: true }), [change]);
  const refresh = useCallback(() => Promise.all([list.refresh(), open.refresh()]), [list.refresh, open.refresh]);

  const decide = useCallback(
    async (review: Review, verb: "approve" | "decline") => {
      const next = reviews[reviews.indexOf(review) + 1] ?? reviews[reviews.indexOf(review) - 1];
      const undo = async () => {
        await post(`/v1/reviews/${review.id}/undo`);
        if (last === review.id) last = null;
        await refresh();
        choose(review.id);
      };
      const worked = await attempt(() => post(`/v1/reviews/${review.id}/${verb}`), verb === "approve" ? "Done as proposed." : "Left as it is; it is not asked again.", undo);
      if (worked) {
        last = review.id;
        choose(next?.id);
      }
      await refresh();
    },
    [reviews, refresh, choose],
  );
  const undo = useCallback(
    async (id: string) => {
      if (await attempt(() => post(`/v1/reviews/${id}/undo`), "Taken back: the question is open again.")) last = null;
      await refresh();
    },
    [refresh],
  );

  // Before the next picture: a key pressed right after another decides what that one chose, not what was chosen before.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
      if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (event.key === "j") choose(reviews[Math.min(reviews.length - 1, at + 1)]?.id);
      else if (event.key === "k") choose(reviews[Math.max(0, at - 1)]?.id);
      else if (event.key === "a" && chosen?.status === "open") void decide(chosen, "approve");
      else if (event.key === "d" && chosen?.status === "open") void decide(chosen, "decline");
      else if (event.key === "u") {
        const decided = chosen && (chosen.status === "approved" || chosen.status === "declined") ? chosen.id : last;
        if (decided) void undo(decided);
        else return;
      } else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [reviews, at, chosen, decide, undo, choose]);
  useEffect(() => {
    if (list.hasMore && !list.loading && at >= reviews.length - 5) list.loadMore();
  }, [at, reviews.length, list.hasMore, list.loading]);

  const counted = (of: string | null) => open.items.filter((one) => of === null || one.kind === of).length;
  const kinds = [{ id: "", label: "All kinds", count: counted(null) }, ...(Object.keys(KINDS) as Review["kind"][]).map((one) => ({ id: one, label: KINDS[one].many, count: counted(one) }))];
  return (
    <>
      <PageHead
        title="Review"
        actions={
          <>
            <label class="check small"><input type="checkbox" checked={everywhere} onChange={(event) => change({ everywhere: event.currentTarget.checked ? "1" : null, id: null })} /> every namespace</label>
            <select class="select status-select" aria-label="Status" value={status} onChange={(event) => change({ status: event.currentTarget.value === "open" ? null : event.currentTarget.value, id: null })}>
              {STATUSES.map((one) => <option key={one} value={one}>{one}</option>)}
            </select>
          </>
        }
      >
        What consolidation was not sure about. Whatever you decide can be taken back.
      </PageHead>
      <div class="stack">
        <Tabs tabs={kinds.map((one) => (status === "open" ? one : { id: one.id, label: one.label }))} chosen={kind ?? ""} choose={(id) => change({ kind: id || null, id: null })} label="Kind of question" />
        {list.error ? <Card><Failed error={list.error} retry={() => void list.refresh()} /></Card> : !reviews.length ? (
          <Card>
            {list.loading ? <Loading lines={6} /> : (
              <Empty icon="reviews" title={status === "open" ? "Nothing waits for you" : `Nothing was ${status}`}>
                <p>Here stand memories that almost say the same, contradict each other, or came from where one should not believe everything. <Link href={href("/jobs")}>Consolidation</Link> asks when it is not sure; the sure cases it does by itself, as <Link href={href("/changesets")}>changesets</Link> that can be reverted.</p>
                <pre>{`curl -X POST ${location.origin}/v1/consolidations \\\n  -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\\n  -d '{"namespace": "${namespace}", "steps": ["conflicts"], "scope": "all"}'`}</pre>
              </Empty>
            )}
          </Card>
        ) : (
          <div class="review-sides">
            <Card flush class="review-list">
              <ol aria-label="Questions">
                {reviews.map((one, n) => (
                  <li key={one.id}>
                    <button type="button" class="review-item" aria-current={n === at ? "true" : undefined} onClick={() => choose(one.id)}>
                      <span class="row"><Badge tone={KINDS[one.kind].tone}>{KINDS[one.kind].one}</Badge>{one.score !== null && <span class="tiny faint number">{one.score.toFixed(2)}</span>}<span class="grow" /><span class="tiny faint"><Time at={one.created_at} /></span></span>
                      <span class="clamp-2 small">{memories.get(one.memory_ids[one.memory_ids.length - 1] ?? "")?.content ?? (loading ? "…" : "A memory that is not there any more")}</span>
                      {everywhere && <span class="tiny faint">{one.namespace}</span>}
                    </button>
                  </li>
                ))}
              </ol>
              {list.hasMore && <div class="review-more"><Button small busy={list.loading} onClick={list.loadMore}>More</Button></div>}
            </Card>
            {chosen && <Question key={chosen.id} review={chosen} memories={memories} loading={loading} decide={(verb) => decide(chosen, verb)} undo={() => undo(chosen.id)} />}
          </div>
        )}
        <p class="tiny faint hide-narrow">Keys: <kbd>j</kbd> next, <kbd>k</kbd> previous, <kbd>a</kbd> approve, <kbd>d</kbd> decline, <kbd>u</kbd> take the last decision back</p>
      </div>
    </>
  );
}
