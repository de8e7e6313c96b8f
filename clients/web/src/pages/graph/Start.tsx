/** Where a view begins: words to search for, or the name of an entity. */

import { useLayoutEffect, useState } from "preact/hooks";
import { entityNamed, isNamed, useNames } from "../../data/names";
import { Button } from "../../ui/parts";
import { failed } from "../../ui/toasts";

interface Props {
  namespace: string;
  query: string;
  onQuery: (query: string) => void;
  onEntity: (id: string) => void;
}

export function Start({ namespace, query, onQuery, onEntity }: Props) {
  const [text, setText] = useState(query);
  useLayoutEffect(() => setText(query), [query]);
  const [focused, setFocused] = useState(false);
  // To count who is named most takes the service as long as a small picture: nobody has asked yet.
  const names = useNames(namespace, text, focused);
  const onSubmit = async (event: Event) => {
    event.preventDefault();
    const wanted = text.trim();
    try {
      const entity = names.find((one) => isNamed(one, wanted)) ?? (await entityNamed(namespace, wanted));
      if (entity) onEntity(entity.id);
      else onQuery(wanted);
    } catch (error) {
      failed(error);
    }
  };
  return (
    <form class="graph-start" role="search" aria-label="Where the graph begins" onSubmit={(event) => void onSubmit(event)}>
      <label class="grow">
        <span class="visually-hidden">Begin with a search or an entity</span>
        <input class="input" type="search" list="graph-entities" placeholder="Begin with a search or a name…" value={text} onFocus={() => setFocused(true)} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <datalist id="graph-entities">{names.map((entity) => <option key={entity.id} value={entity.name} />)}</datalist>
      <Button type="submit">Show</Button>
    </form>
  );
}
