/** Merge and split: what a person knows of names and rules do not. Each takes the other back. */

import { post } from "../../data/api";
import type { Schema } from "../../data/types";

export type Entity = Schema<"EntityOut">;

export const namesOf = (entity: Entity): string[] => [entity.name, ...entity.aliases];

/** Make entities one. */
export const merge = (from: readonly Entity[], into: Entity): Promise<Entity> =>
  post<Entity>("/v1/entities/merge", { namespace: into.namespace, from: from.map((one) => one.id), into: into.id });

/** Bring merged entities back, each with the names it had. */
export async function unmerge(from: readonly Entity[], into: Entity): Promise<void> {
  for (const one of from) await post("/v1/entities/split", { namespace: into.namespace, entity_id: into.id, names: namesOf(one) });
}

/** Make names of an entity an entity of their own. */
export const split = (entity: Entity, names: readonly string[]): Promise<Entity> =>
  post<Entity>("/v1/entities/split", { namespace: entity.namespace, entity_id: entity.id, names });
