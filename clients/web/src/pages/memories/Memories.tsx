/** All memories of a namespace: found by filters, put right by hand. */

import { useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { useFilteredMemories } from "../../data/memories";
import { useHref, useNamespace, useParameters } from "../../data/place";
import { count } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { Button, ButtonLink, Card, Empty, PageHead } from "../../ui/parts";
import { AddMemory } from "./AddMemory";
import { Filters } from "./Filters";
import { filterOf, NAMES, orderOf } from "./filters";
import "./memories.css";
import { Row } from "./Row";

export default function Memories() {
  const [namespace] = useNamespace();
  const [parameters, change] = useParameters();
  const [adding, setAdding] = useState(false);
  const href = useHref();
  const filter = useMemo(() => filterOf(parameters), [parameters]);
  const list = useFilteredMemories(namespace, filter, orderOf(parameters));
  const filtered = NAMES.some((name) => name !== "order" && parameters.get(name));
  const text = parameters.get("text");
  const empty = filtered ? (
    <Empty title="No memory fits these filters">
      <p>Filters look for exact words. {text && <>The <Link href={href("/recall", { q: text })}>recall lab</Link> finds by meaning.</>} Archived memories are only shown when the state says so.</p>
      <Button onClick={() => change(Object.fromEntries(NAMES.map((name) => [name, null])))}>Clear the filters</Button>
    </Empty>
  ) : (
    <Empty title={`Nothing is remembered in ${namespace} yet`}>
      <p>A memory is one thing that an agent observed, was told or worked out. Agents store them through the API or the SDK; you can add one by hand.</p>
      <pre>{`curl -X POST ${location.origin}/v1/memories \\\n  -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\\n  -d '{"namespace": "${namespace}", "content": "Ana moved to Lisbon in May."}'`}</pre>
      <Button kind="primary" icon="plus" onClick={() => setAdding(true)}>Add a memory</Button>
    </Empty>
  );
  return (
    <>
      <PageHead
        title="Memories"
        actions={
          <>
            {text && <ButtonLink href={href("/recall", { q: text })} icon="recall">Search by meaning</ButtonLink>}
            <Button kind="primary" icon="plus" onClick={() => setAdding(true)}>Add a memory</Button>
          </>
        }
      >
        Every record as it is. Archiving hides one from searches and loses nothing.
      </PageHead>
      <div class="stack">
        <Filters />
        <div class="small faint" role="status">
          {list.items.length > 0 && `${count(list.items.length)}${list.hasMore ? " read so far; more while you scroll" : list.items.length === 1 ? " memory" : " memories"}`}
        </div>
        <Card flush>
          <VirtualList list={list} keyOf={(memory) => memory.id} label="Memories" empty={empty} estimate={82} row={(memory) => <Row memory={memory} seen={list.replace} />} />
        </Card>
      </div>
      <AddMemory open={adding} onClose={() => setAdding(false)} added={() => void list.refresh()} />
    </>
  );
}
