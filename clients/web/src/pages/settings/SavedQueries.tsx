/** Questions with what is relevant to them: what a learned proposal has to do better on. */

import { Link } from "wouter-preact";
import { post, remove } from "../../data/api";
import { useList } from "../../data/fetching";
import { useHref } from "../../data/place";
import { useMay } from "../../data/session";
import type { Schema } from "../../data/types";
import { count, plural, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Badge, Button, ButtonTwice, Card, Empty } from "../../ui/parts";
import { attempt } from "../../ui/toasts";

type Saved = Schema<"SavedQueryOut">;

export function SavedQueries({ namespace }: { namespace: string }) {
  const href = useHref();
  const list = useList<Saved>("/v1/saved-queries", { namespace });
  return (
    <Card title={<>Saved queries {list.items.length > 0 && <span class="faint number">{count(list.items.length)}{list.hasMore ? "+" : ""}</span>}</>} flush>
      <VirtualList
        label="Saved queries"
        list={list}
        estimate={62}
        keyOf={(one) => one.id}
        row={(one) => <Row saved={one} refresh={list.refresh} />}
        empty={<Empty icon="recall" title="No query is saved yet"><p>Ask in the <Link href={href("/recall")}>recall lab</Link>, mark what answers, and keep the question. Where the namespace learns, useful feedback saves more.</p></Empty>}
      />
    </Card>
  );
}

function Row({ saved, refresh }: { saved: Saved; refresh: () => Promise<unknown> }) {
  const href = useHref();
  const may = useMay("memories:write");
  // What came of feedback or has a filter cannot be saved again as it was.
  const again = saved.source === "caller" && saved.filter === null;
  const drop = () => remove(`/v1/saved-queries/${saved.id}`).then(refresh);
  const back = () => post("/v1/saved-queries", { query: saved.query, relevant: saved.relevant, namespace: saved.namespace }).then(refresh);
  return (
    <div class="setting-row">
      <div class="stack-s grow">
        <Link class="wrap-anywhere clamp-2" href={href("/recall", { q: saved.query })}>{saved.query}</Link>
        <span class="row small faint">
          <Badge tone={saved.source === "caller" ? "accent" : "plain"}>{saved.source === "caller" ? "saved by hand" : "from feedback"}</Badge>
          {plural(saved.relevant.length, "memory", "memories")} relevant · <Time at={saved.created_at} />
        </span>
      </div>
      {may && (again
        ? <Button small kind="quiet" icon="close" aria-label={`Do not keep ${saved.query}`} onClick={() => void attempt(drop, "No longer saved.", back)} />
        : <ButtonTwice small kind="quiet" icon="close" aria-label={`Do not keep ${saved.query}`} sure="Drop it" onClick={() => void attempt(drop, "No longer saved.")} />)}
    </div>
  );
}
