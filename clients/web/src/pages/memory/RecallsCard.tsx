/** When a memory was of use and when it was not; a person says so, and takes it back. */

import { Link } from "wouter-preact";
import { memoryPath, post } from "../../data/api";
import { useList } from "../../data/fetching";
import { judge, type Memory, takeBack } from "../../data/memories";
import { useHref } from "../../data/place";
import { useMay } from "../../data/session";
import { fullTime, Time } from "../../ui/format";
import { Badge, Button, ButtonTwice, Card, Failed, Loading } from "../../ui/parts";
import { attempt } from "../../ui/toasts";

interface RecallOf {
  search_id: string;
  rank: number | null;
  score: number | null;
  useful: boolean | null;
  cited: boolean | null;
  recalled_at: string;
}

/** Judge a memory that one looks at: a search that brings only this one, so that nothing is learned about ranking from it. */
async function judgeAlone(memory: Memory, useful: boolean): Promise<string> {
  const { search_id } = await post<{ search_id: string }>("/v1/search", {
    query: memory.content.slice(0, 500),
    namespace: memory.namespace,
    filter: { id: memory.id },
    channels: { vector: 1 },
    top_k: 1,
  });
  await judge(search_id, memory.id, useful);
  return search_id;
}

export function RecallsCard({ memory, judged, live }: { memory: Memory; judged: () => void; live: boolean }) {
  const list = useList<RecallOf>(memoryPath(memory.id, "/recalls"), {}, 20);
  const href = useHref();
  const may = useMay("memories:write");
  const seen = async () => { await list.refresh(); judged(); };
  const say = (useful: boolean) => {
    let searchId = "";
    void attempt(
      async () => { searchId = await judgeAlone(memory, useful); await seen(); },
      useful ? "Useful: it fades more slowly." : "Not useful: it fades sooner.",
      async () => { await takeBack(searchId, memory.id); await seen(); },
    );
  };
  // No way back: saying it again would say it once and of now, whatever was said how often and when; of an old search not at all.
  const unsay = (searchId: string) => void attempt(async () => { await takeBack(searchId, memory.id); await seen(); }, "Taken back: it holds as if nothing had been said.");
  return (
    <Card title="Recalls and feedback">
      <div class="stack-s">
        {live && (
          <div class="row">
            {may && <Button small icon="good" onClick={() => say(true)}>Useful</Button>}
            {may && <Button small icon="close" onClick={() => say(false)}>Not useful</Button>}
            <Link class="small" href={href("/recall", { q: memory.title ?? memory.content.slice(0, 200) })}>Find it in the recall lab</Link>
          </div>
        )}
        {list.error ? <Failed error={list.error} retry={() => void list.refresh()} /> : list.items.length === 0 ? (
          list.loading ? <Loading lines={2} /> : <p class="small faint">Nobody has judged it yet. Searches that say <code>reinforce</code> and feedback are listed here, and shape the curve.</p>
        ) : (
          <ul class="stack-s small" aria-label="Recalls">
            {list.items.map((one) => (
              <li key={`${one.search_id} ${one.recalled_at}`} class="recall-row">
                <Badge tone={one.useful === true ? "good" : one.useful === false ? "bad" : "plain"}>{one.useful === true ? "useful" : one.useful === false ? "not useful" : "recalled"}</Badge>
                {one.cited && <Badge>cited</Badge>}
                {one.rank ? <span class="number">rank {one.rank}</span> : null}
                <span class="faint grow" title={fullTime(one.recalled_at)}><Time at={one.recalled_at} /></span>
                {may && one.useful !== null && <ButtonTwice kind="quiet" small icon="undo" aria-label="Take it back" sure="Take it back for good" title="Take back all that was said of it in that search; it cannot be undone" onClick={() => unsay(one.search_id)} />}
              </li>
            ))}
          </ul>
        )}
        {list.hasMore && <Button small onClick={list.loadMore} busy={list.loading}>Earlier ones</Button>}
      </div>
    </Card>
  );
}
