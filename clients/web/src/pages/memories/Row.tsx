/** One memory of the list, with what can be done to it at once. */

import { act, isArchived, type Memory } from "../../data/memories";
import { useParameters } from "../../data/place";
import { Circumstances, Firmness, Marks, MemoryLink } from "../../ui/memory";
import { Button } from "../../ui/parts";
import { attempt } from "../../ui/toasts";

export function Row({ memory, seen }: { memory: Memory; seen: (memory: Memory) => void }) {
  const [, change] = useParameters();
  const away = isArchived(memory);
  const perform = (verb: "pin" | "unpin" | "archive" | "restore") => {
    const { what, text, undo } = act(memory.id, verb, seen);
    void attempt(what, text, undo);
  };
  return (
    <article class="memory-row" data-away={away} aria-label={memory.content.slice(0, 80)}>
      <div class="stack-s">
        <div class="clamp-2"><MemoryLink memory={memory} /></div>
        <div class="row memory-row-marks">
          <Marks memory={memory} />
          <Circumstances memory={memory} />
          {memory.tags.slice(0, 4).map((tag) => (
            <button key={tag} type="button" class="badge tag" title={`Only memories tagged ${tag}`} onClick={() => change({ tag })}>#{tag}</button>
          ))}
        </div>
      </div>
      <div class="memory-row-side">
        <Firmness memory={memory} />
        <div class="row memory-row-actions">
          {!away && <Button kind="quiet" small icon="pin" aria-label={memory.pinned ? "Unpin" : "Pin"} title={memory.pinned ? "Let it fade again" : "Pin: it does not fade"} aria-pressed={memory.pinned} onClick={() => perform(memory.pinned ? "unpin" : "pin")} />}
          {away
            ? <Button kind="quiet" small icon="restore" aria-label="Restore" title="Bring it back into searches" onClick={() => perform("restore")} />
            : <Button kind="quiet" small icon="archive" aria-label="Archive" title="Archive: searches leave it out" onClick={() => perform("archive")} />}
        </div>
      </div>
    </article>
  );
}
