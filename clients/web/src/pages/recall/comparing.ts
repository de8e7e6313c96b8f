/** How two rankings of one query differ. Pure. */

export interface Moved {
  id: string;
  a: number | null;
  b: number | null;
  /** How many places it rose from a to b; null where one of them lacks it. */
  rose: number | null;
}

/** Return every memory of either ranking, in the order of the second, then what only the first has. */
export function moves(a: readonly string[], b: readonly string[]): Moved[] {
  const at = (of: readonly string[], id: string) => (of.indexOf(id) < 0 ? null : of.indexOf(id) + 1);
  return [...new Set([...b, ...a])].map((id) => {
    const [first, second] = [at(a, id), at(b, id)];
    return { id, a: first, b: second, rose: first === null || second === null ? null : first - second };
  });
}

/** Share of what is relevant among the results, 0 to 1; null when nothing is. */
export const recallOf = (found: readonly string[], relevant: readonly string[]): number | null =>
  relevant.length ? relevant.filter((id) => found.includes(id)).length / relevant.length : null;

/** One over the rank of the first relevant result; 0 when none is found. */
export function reciprocalRank(found: readonly string[], relevant: readonly string[]): number {
  const at = found.findIndex((id) => relevant.includes(id));
  return at < 0 ? 0 : 1 / (at + 1);
}
