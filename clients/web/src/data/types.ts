/** The service's own types, generated from its OpenAPI document (clients/typescript). */

import type { components } from "../../../typescript/src/generated/openapi";

type Schemas = components["schemas"];
export type Schema<Name extends keyof Schemas> = Schemas[Name];

/** A list as every collection answers it. */
export interface Page<T> {
  data: T[];
  next_cursor: string | null;
  has_more: boolean;
}
