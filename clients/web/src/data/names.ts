/** Entities by name: the service looks through all of them, whatever their number. */

import { useEffect, useState } from "preact/hooks";
import { get } from "./api";
import { useRead } from "./fetching";
import type { Page, Schema } from "./types";

type Entity = Schema<"EntityOut">;

const PAUSE_MS = 180; // between the last key and the question
const SUGGESTED = 20;
const LOOKED_AT = 200; // of those with the words in a name, to find the one that is named exactly so

/** Return a text once it has not changed for a moment. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** Suggest entities with these words in a name, those first that most memories name. */
export function useNames(namespace: string, text: string): Entity[] {
  const q = useSettled(text.trim().slice(0, 200));
  const read = useRead<Page<Entity>>("/v1/entities", { namespace, q, order: "mentions", limit: SUGGESTED }, { revalidateOnFocus: false });
  return read.data?.data ?? [];
}

const folded = (name: string): string => name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();

/** Whether an entity goes by this name, whatever case and accents. */
export const isNamed = (entity: Entity, name: string): boolean => [entity.name, ...entity.aliases].some((one) => folded(one) === folded(name));

/** Return the entity with this name, or nothing. */
export async function entityNamed(namespace: string, name: string): Promise<Entity | null> {
  if (!name || name.length > 200) return null;
  const page = await get<Page<Entity>>("/v1/entities", { namespace, q: name, order: "name", limit: LOOKED_AT });
  return page.data.find((entity) => isNamed(entity, name)) ?? null;
}
