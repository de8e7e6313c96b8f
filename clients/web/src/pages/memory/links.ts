/** Links of a memory as the service answers them. */

export interface LinkOf {
  id: string;
  source_id: string;
  target_id: string;
  type: string;
  weight: number;
  derivation: { method: string };
  created_at: string;
}

const SAID: Record<string, [from: string, to: string]> = {
  similar: ["is similar to", "is similar to"],
  same_entity: ["names the same as", "names the same as"],
  next: ["comes before", "comes after"],
  part_of: ["is part of", "contains"],
  derived_from: ["was made of", "was used for"],
  supports: ["supports", "is supported by"],
  contradicts: ["contradicts", "is contradicted by"],
  supersedes: ["took the place of", "was superseded by"],
  co_recalled: ["is recalled together with", "is recalled together with"],
};

/** Say a link in words, as seen from one of its ends. */
export function inWords(link: LinkOf, seenFrom: string): string {
  const said = SAID[link.type];
  return said ? (link.source_id === seenFrom ? said[0] : said[1]) : link.type.replaceAll("_", " ");
}

export const otherEnd = (link: LinkOf, seenFrom: string): string => (link.source_id === seenFrom ? link.target_id : link.source_id);
