/** What runs of the background changed: each as one changeset that one click reverts. */

import { Link } from "wouter-preact";
import { useList } from "../../data/fetching";
import { useHref, useNamespace } from "../../data/place";
import type { Schema } from "../../data/types";
import { count, shortId, Time } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { StatusBadge } from "../../ui/marks";
import { Badge, Card, Empty, PageHead } from "../../ui/parts";
import { RevertButton } from "./revert";
import "./changesets.css";

type Changeset = Schema<"ChangesetOut">;

export default function Changesets() {
  const [namespace] = useNamespace();
  const list = useList<Changeset>("/v1/changesets", { namespace });
  return (
    <>
      <PageHead title="Changesets">
        Whatever the background changed, it changed as a whole that can be looked at and taken back. Nothing here destroyed evidence.
      </PageHead>
      <Card flush>
        <VirtualList
          label="Changesets"
          list={list}
          keyOf={(one) => one.id}
          row={(one) => <Row changeset={one} refresh={list.refresh} />}
          empty={
            <Empty icon="changesets" title="Nothing was changed yet">
              <p>Consolidation writes a changeset for each run: duplicates merged, facts superseded, notes, links and gists made. Begin one on the page of jobs.</p>
            </Empty>
          }
        />
      </Card>
    </>
  );
}

function Row({ changeset, refresh }: { changeset: Changeset; refresh: () => Promise<unknown> }) {
  const href = useHref();
  return (
    <div class="changeset-row">
      <div class="stack-s grow">
        <div class="row">
          <Link href={href(`/changesets/${changeset.id}`)}><strong>{changeset.kind} {shortId(changeset.id)}</strong></Link>
          <StatusBadge status={changeset.status} />
          <span class="small quiet"><Time at={changeset.created_at} /></span>
        </div>
        <div class="row">
          {Object.entries(changeset.counts).map(([change, n]) => <Badge key={change}>{change} {count(n)}</Badge>)}
        </div>
      </div>
      {changeset.status === "applied" && <RevertButton id={changeset.id} after={refresh} small />}
    </div>
  );
}
