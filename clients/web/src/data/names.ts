/** Entities by name: the service looks through all of them, whatever their number. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { get } from "./api";
import { useRead } from "./fetching";
import type { Page, Schema } from "./types";

type Entity = Schema<"EntityOut">;

const PAUSE_MS = 180; // between the last key and the question
const SUGGESTED = 20;
const LONGEST_NAME = 200;

/** Return a text once it has not changed for a moment. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** Suggest entities with these words in a name, once they are wanted: those that are named exactly so, then those that most memories name. */
export function useNames(namespace: string, text: string, wanted = true): Entity[] {
  const q = useSettled(text.trim().slice(0, LONGEST_NAME));
  const read = useRead<Page<Entity>>(wanted ? "/v1/entities" : null, { namespace, q, order: "mentions", limit: SUGGESTED }, { revalidateOnFocus: false });
  const exact = useRead<Page<Entity>>(q ? "/v1/entities" : null, { namespace, name: q, order: "mentions", limit: SUGGESTED }, { revalidateOnFocus: false });
  const [found, named] = [read.data?.data, exact.data?.data];
  return useMemo(() => firstOf(named ?? [], found ?? []), [found, named]);
}

/** Join lists of entities, each in its order and none twice. */
export function firstOf(...lists: readonly (readonly Entity[])[]): Entity[] {
  return [...new Map(lists.flat().map((one) => [one.id, one])).values()];
}

const folded = (name: string): string => name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();

/** Whether an entity goes by this name, whatever case and accents. */
export const isNamed = (entity: Entity, name: string): boolean => [entity.name, ...entity.aliases].some((one) => folded(one) === folded(name));

/** Return the entities with this name, however many others have it as a part of theirs. */
async function entitiesNamed(namespace: string, name: string): Promise<Entity[]> {
  if (!name || name.length > LONGEST_NAME) return [];
  return (await get<Page<Entity>>("/v1/entities", { namespace, name, order: "mentions", limit: SUGGESTED })).data;
}

/** Return the entity with this name that most memories name, or nothing. */
export const entityNamed = async (namespace: string, name: string): Promise<Entity | null> => (await entitiesNamed(namespace, name.trim()))[0] ?? null;
