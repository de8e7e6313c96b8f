/** The memories of a topic, episode or community, and the gist that was made of them. */

import useSWR from "swr";
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { ApiError, get } from "../../data/api";
import { useHref } from "../../data/place";
import type { Schema } from "../../data/types";
import { Time } from "../../ui/format";
import { Badge, Button, ButtonLink, Failed, Loading } from "../../ui/parts";
import { sizeOf } from "./model";

type Memory = Schema<"Memory">;
const AT_A_TIME = 12;

/** Read memories by id; what is archived for good or erased is left out. */
async function read(ids: readonly string[]): Promise<Memory[]> {
  const answers = await Promise.all(ids.map(async (id) => {
    try {
      return await get<Memory>(`/v1/memories/${id}`);
    } catch (error) {
      if (error instanceof ApiError && [404, 410].includes(error.problem.status)) return null;
      throw error;
    }
  }));
  return answers.filter((memory) => memory !== null);
}

export function Members({ ids, gist }: { ids: readonly string[]; gist: Schema<"GistOut"> | null }) {
  const [most, setMost] = useState(AT_A_TIME);
  const href = useHref();
  const shown = ids.slice(0, most);
  const memories = useSWR<Memory[], Error>(shown.length ? ["members", ...shown] : null, () => read(shown), { revalidateOnFocus: false });
  const told = new Set(gist?.spans.map((span) => span.memory_id));
  if (!ids.length) return <p class="quiet small">Its memories stand in the topics below it.</p>;
  if (memories.error && !memories.data) return <Failed error={memories.error} retry={() => void memories.mutate()} />;
  if (!memories.data) return <Loading lines={4} />;
  return (
    <div class="stack-s">
      <ul class="members" aria-label="Memories">
        {memories.data.map((memory) => (
          <li key={memory.id} class="member">
            <Link href={href(`/memories/${memory.id}`)} class="clamp-2 wrap-anywhere">{memory.content}</Link>
            <span class="row tiny faint">
              {memory.source.speaker && <span>{memory.source.speaker}</span>}
              <Time at={memory.observed_at} exact />
              {told.has(memory.id) && <Badge tone="accent" title="The gist quotes this memory">in the gist</Badge>}
              {memory.state === "archived" && <Badge>archived</Badge>}
            </span>
          </li>
        ))}
      </ul>
      {most < ids.length && <div><Button small busy={memories.isValidating} onClick={() => setMost(most + 3 * AT_A_TIME)}>More of {sizeOf(ids.length)}</Button></div>}
    </div>
  );
}

export function GistText({ gist }: { gist: Schema<"GistOut"> | null }) {
  if (!gist) return <p class="quiet">No gist was written for it: the next consolidation may.</p>;
  return (
    <>
      <p class="gist wrap-anywhere">{gist.text}</p>
      {gist.keywords.length > 0 && <div class="row">{gist.keywords.map((word) => <Badge key={word}>{word}</Badge>)}</div>}
    </>
  );
}

export function InGraph({ id }: { id: string }) {
  const href = useHref();
  return <ButtonLink small icon="graph" href={href("/graph", { seed: id, pick: id })}>In the graph</ButtonLink>;
}
