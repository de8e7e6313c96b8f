/** Where a view begins: words to search for, or the name of an entity. */

import { useEffect, useState } from "preact/hooks";
import { useRead } from "../../data/fetching";
import type { Page, Schema } from "../../data/types";
import { Button } from "../../ui/parts";

interface Props {
  namespace: string;
  query: string;
  onQuery: (query: string) => void;
  onEntity: (id: string) => void;
}

export function Start({ namespace, query, onQuery, onEntity }: Props) {
  const [text, setText] = useState(query);
  useEffect(() => setText(query), [query]);
  const entities = useRead<Page<Schema<"EntityOut">>>("/v1/entities", { namespace, limit: 200 }, { revalidateOnFocus: false });
  const names = (entities.data?.data ?? []).filter((entity) => !entity.merged_into);
  const onSubmit = (event: Event) => {
    event.preventDefault();
    const wanted = text.trim();
    const entity = names.find((one) => [one.name, ...one.aliases].some((name) => name.toLowerCase() === wanted.toLowerCase()));
    if (entity) onEntity(entity.id);
    else onQuery(wanted);
  };
  return (
    <form class="graph-start" role="search" aria-label="Where the graph begins" onSubmit={onSubmit}>
      <label class="grow">
        <span class="visually-hidden">Begin with a search or an entity</span>
        <input class="input" type="search" list="graph-entities" placeholder="Begin with a search or a name…" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <datalist id="graph-entities">{names.map((entity) => <option key={entity.id} value={entity.name} />)}</datalist>
      <Button type="submit">Show</Button>
    </form>
  );
}
