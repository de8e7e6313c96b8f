/** Lists that come in pages. */

export interface Page<T> {
  data: T[];
  next_cursor: string | null;
  has_more: boolean;
}

/** A list of the service: iterate it, and it turns its pages itself. */
export class Pages<T> implements AsyncIterable<T> {
  readonly #turn: (cursor: string | undefined) => Promise<Page<T>>;

  constructor(turn: (cursor: string | undefined) => Promise<Page<T>>) {
    this.#turn = turn;
  }

  /** Return one page; without a cursor the first. */
  page(cursor?: string): Promise<Page<T>> {
    return this.#turn(cursor);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    let cursor: string | undefined;
    do {
      const page = await this.#turn(cursor);
      yield* page.data;
      cursor = page.has_more ? (page.next_cursor ?? undefined) : undefined;
    } while (cursor !== undefined);
  }

  /** Return the items as an array, `most` of them at most. */
  async toArray(most = Infinity): Promise<T[]> {
    const items: T[] = [];
    if (most <= 0) return items;
    for await (const item of this) {
      items.push(item);
      if (items.length >= most) break;
    }
    return items;
  }
}
