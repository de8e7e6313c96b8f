/** What consolidation built: topics as a tree, episodes in time, communities of what hangs together. */

import type { ComponentChildren } from "preact";
import "./topics.css";
import { type Listed, useList, useRead } from "../../data/fetching";
import { useHref, useNamespace, useParameters } from "../../data/place";
import type { Schema } from "../../data/types";
import { fullTime, plural } from "../../ui/format";
import { VirtualList } from "../../ui/list";
import { ButtonLink, Card, Empty, Failed, Loading, PageHead, Shown, Tabs } from "../../ui/parts";
import { GistText, InGraph, Members } from "./Members";
import { nameOf, sizeOf } from "./model";
import { Tree } from "./Tree";
import { useTopics } from "./useTopics";

type Episode = Schema<"EpisodeOut">;
type Community = Schema<"CommunityOut">;

const VIEWS = [{ id: "topics", label: "Topics" }, { id: "episodes", label: "Episodes" }, { id: "communities", label: "Communities" }];

export default function TopicsPage() {
  const [parameters, change] = useParameters();
  const view = VIEWS.find((one) => one.id === parameters.get("view"))?.id ?? "topics";
  const at = parameters.get("at");
  const choose = (id: string) => change({ at: id }, { replace: true });
  return (
    <div class="stack">
      <PageHead title="Topics">Consolidation sorts memories: into topics by what they are about, into episodes by when they happened, into communities by how they are linked.</PageHead>
      <Tabs tabs={VIEWS} chosen={view} choose={(id) => change({ view: id === "topics" ? null : id, at: null })} label="What was built" />
      {view === "topics" && <TopicTree at={at} choose={choose} />}
      {view === "episodes" && <Episodes at={at} choose={choose} />}
      {view === "communities" && <Communities at={at} choose={choose} />}
    </div>
  );
}

interface Part {
  at: string | null;
  choose: (id: string) => void;
}

function TopicTree({ at, choose }: Part) {
  const [namespace] = useNamespace();
  const { roots, topics, open, error, setOpen, retry } = useTopics(namespace, at);
  if (error && !roots) return <Failed error={error} retry={retry} />;
  if (!roots) return <Loading lines={8} />;
  if (!roots.length) return <Nothing what="topics" />;
  const topic = at === null ? undefined : topics.get(at);
  const below = topic?.leaf === false && open.has(topic.id) ? [...topics.values()].filter((one) => one.parent_id === topic.id).length : 0;
  return (
    <div class="sides topics-sides">
      <Card flush>
        {error && <Failed error={error} />}
        <Tree key={namespace} roots={roots} open={open} chosen={at} onChoose={choose} onOpen={setOpen} />
      </Card>
      <Chosen what="topic">
        {topic && (
          <>
            <h2 class="wrap-anywhere">{nameOf(topic.gist, "A topic without a gist")}</h2>
            <p class="small faint">{sizeOf(topic.size)}{below ? ` in ${plural(below, "topic")} below` : ""}</p>
            <GistText gist={topic.gist} />
            <div class="row"><InGraph id={topic.id} /></div>
            <Members key={topic.id} ids={topic.memory_ids} gist={topic.gist} />
          </>
        )}
      </Chosen>
    </div>
  );
}

function Chosen({ children, what }: { children: ComponentChildren; what: string }) {
  return <Card class="topics-chosen"><div class="stack">{children || <p class="quiet">Choose {what === "episode" ? "an" : "a"} {what} to read its gist and its memories.</p>}</div></Card>;
}

function Choices<T extends { id: string; size: number; gist: Schema<"GistOut"> | null }>({ list, at, choose, what, under }: Part & { list: Listed<T>; what: "episodes" | "communities"; under: (one: T) => string }) {
  return (
    <Card flush>
      <VirtualList
        list={list}
        keyOf={(one) => one.id}
        label={what === "episodes" ? "Episodes" : "Communities"}
        estimate={66}
        empty={<Nothing what={what} />}
        row={(one) => (
          <button type="button" class="choice" aria-pressed={one.id === at} onClick={() => choose(one.id)}>
            <span class="wrap-anywhere">{nameOf(one.gist, "Without a gist")}</span>
            <span class="tiny faint">{under(one)}</span>
          </button>
        )}
      />
    </Card>
  );
}

function Episodes({ at, choose }: Part) {
  const [namespace] = useNamespace();
  const href = useHref();
  const list = useList<Episode>("/v1/episodes", { namespace });
  const read = useRead<Episode>(at ? `/v1/episodes/${at}` : null);
  return (
    <div class="sides topics-sides">
      <Choices list={list} at={at} choose={choose} what="episodes" under={(one) => `${fullTime(one.starts)} · ${sizeOf(one.size)}`} />
      <Chosen what="episode">
        {at && (
          <Shown read={read}>
            {(episode) => (
              <>
                <h2 class="wrap-anywhere">{nameOf(episode.gist, "An episode without a gist")}</h2>
                <p class="small faint">{fullTime(episode.starts)} to {fullTime(episode.ends)} · {sizeOf(episode.size)}{episode.session_id ? ` · session ${episode.session_id}` : ""}</p>
                <GistText gist={episode.gist} />
                <div class="row">
                  <InGraph id={episode.id} />
                  <ButtonLink small icon="timeline" href={href("/timeline", { from: episode.starts, to: episode.ends })}>In time</ButtonLink>
                </div>
                <Members key={episode.id} ids={episode.memory_ids} gist={episode.gist} />
              </>
            )}
          </Shown>
        )}
      </Chosen>
    </div>
  );
}

function Communities({ at, choose }: Part) {
  const [namespace] = useNamespace();
  const list = useList<Community>("/v1/communities", { namespace }, 50);
  const listed = list.items.find((one) => one.id === at);
  const read = useRead<Community>(at && !listed ? `/v1/communities/${encodeURIComponent(at)}` : null);
  const community = listed ?? (read.data?.id === at ? read.data : undefined);
  return (
    <div class="sides topics-sides">
      <Choices list={list} at={at} choose={choose} what="communities" under={(one) => `${sizeOf(one.size)}${one.entities.length ? ` · ${one.entities.slice(0, 3).join(", ")}` : ""}`} />
      <Chosen what="community">
        {community && (
          <>
            <h2 class="wrap-anywhere">{nameOf(community.gist, "A community without a gist")}</h2>
            <p class="small faint">{sizeOf(community.size)}{community.entities.length ? ` · about ${community.entities.join(", ")}` : ""}</p>
            <GistText gist={community.gist} />
            <div class="row"><InGraph id={community.id} /></div>
            <Members key={community.id} ids={community.memory_ids} gist={community.gist} />
          </>
        )}
      </Chosen>
    </div>
  );
}

function Nothing({ what }: { what: string }) {
  const href = useHref();
  const [namespace] = useNamespace();
  return (
    <Empty icon="topics" title={`No ${what} yet`}>
      <p>They appear when the memories of a namespace are consolidated. That happens by itself when it has been quiet for a while, or now:</p>
      <pre>{`curl -X POST $URL/v1/consolidations -H "Authorization: Bearer $KEY" \\\n  -H "Content-Type: application/json" -d '{"namespace": "${namespace}"}'`}</pre>
      <ButtonLink href={href("/changesets")}>To consolidation</ButtonLink>
    </Empty>
  );
}

