/** What all but came in. */

import { useMemoriesById } from "../../data/memories";
import type { Schema } from "../../data/types";
import { ChannelBars } from "../../ui/channels";
import { NamedMemory } from "../../ui/memory";
import { Button, Card } from "../../ui/parts";

export function NearMisses({ misses, scale, ask }: { misses: Schema<"CandidateOut">[]; scale: [number, number]; ask: (id: string) => void }) {
  const { memories, loading } = useMemoriesById(misses.map((one) => one.memory_id));
  if (!misses.length) return null;
  return (
    <Card title="Just missed">
      <ol class="stack-s" aria-label="Just missed">
        {misses.map((one) => (
          <li key={one.memory_id} class="near-miss">
            <span class="number faint">{one.rank}</span>
            <div class="stack-s">
              <span class="small"><NamedMemory id={one.memory_id} memories={memories} loading={loading} /></span>
              <ChannelBars channels={one.channels} scale={scale} thin />
            </div>
            <span class="number small">{one.score.toFixed(2)}</span>
            <Button kind="quiet" small onClick={() => ask(one.memory_id)}>Why not?</Button>
          </li>
        ))}
      </ol>
    </Card>
  );
}
