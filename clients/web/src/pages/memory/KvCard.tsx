/** Which KV blobs were made of a memory: what an engine need not compute again. */

import { useList } from "../../data/fetching";
import { bytes, plural, Time } from "../../ui/format";
import { Badge, Button, Card, Failed } from "../../ui/parts";

interface KvMemory {
  id: string;
  model: string;
  first_block: number;
  blocks: number;
  n_tokens: number;
  bytes: number;
  exactness: string;
  state: string;
  hits: number;
  last_hit_at: string | null;
  created_at: string;
  sources: { memory_id: string; version: number; token_start: number; token_end: number }[];
}

/** Shown only where there are some; a correction or an erasure makes them unloadable. */
export function KvCard({ id }: { id: string }) {
  const list = useList<KvMemory>("/v1/kv/memories", { memory_id: id }, 20);
  if (list.error) return <Card title="KV blobs"><Failed error={list.error} retry={() => void list.refresh()} /></Card>;
  if (!list.items.length) return null;
  return (
    <Card title={`${list.items.length}${list.hasMore ? "+" : ""} KV ${list.items.length === 1 ? "blob" : "blobs"}`}>
      <ul class="stack-s small">
        {list.items.map((one) => {
          const source = one.sources.find((source) => source.memory_id === id);
          return (
            <li key={one.id} class="stack-s">
              <span class="row"><b class="wrap-anywhere">{one.model}</b><Badge>{one.exactness}</Badge>{one.state !== "live" && <Badge tone="warn">{one.state}</Badge>}</span>
              <span class="faint">
                {plural(one.blocks, "block")} from {one.first_block}, {bytes(one.bytes)}, {plural(one.hits, "hit")}
                {one.last_hit_at && <>, last <Time at={one.last_hit_at} /></>}
                {source && `; tokens ${source.token_start}–${source.token_end} are version ${source.version}`}
              </span>
            </li>
          );
        })}
      </ul>
      {list.hasMore && <Button small onClick={list.loadMore} busy={list.loading}>More</Button>}
    </Card>
  );
}
