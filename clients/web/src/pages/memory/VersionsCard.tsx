/** What the memory said before, and what changed: word by word. */

import { useList } from "../../data/fetching";
import { memoryPath } from "../../data/api";
import { useParameters } from "../../data/place";
import { fullTime } from "../../ui/format";
import { Button, Card, Failed, Loading } from "../../ui/parts";
import { WordDiff } from "../../ui/texts";

export interface Version {
  version: number;
  content: string;
  state: string;
  known_from: string;
  known_to: string | null;
  [field: string]: unknown;
}

/** What stands on every version and says nothing about a change. */
const NOT_COMPARED = new Set(["id", "version", "known_from", "known_to", "namespace", "content"]);
const shown = (value: unknown): string => (value === null || value === undefined || (Array.isArray(value) && !value.length) ? "—" : Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value));

function Difference({ before, after }: { before: Version; after: Version }) {
  const fields = Object.keys(after).filter((name) => !NOT_COMPARED.has(name) && JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return (
    <div class="stack-s">
      {before.content !== after.content ? <p class="difference"><WordDiff before={before.content} after={after.content} /></p> : <p class="small faint">The text stayed as it was.</p>}
      {fields.length > 0 && (
        <dl class="facts small">
          {fields.map((name) => [<dt key={`${name} name`}>{name.replaceAll("_", " ")}</dt>, <dd key={name}><del>{shown(before[name])}</del> <ins>{shown(after[name])}</ins></dd>])}
        </dl>
      )}
    </div>
  );
}

export function VersionsCard({ id }: { id: string }) {
  const list = useList<Version>(memoryPath(id, "/versions"), {}, 100);
  const [parameters, change] = useParameters();
  const versions = list.items;
  const newest = versions[0];
  const find = (name: string) => versions.find((one) => String(one.version) === parameters.get(name));
  const to = find("to") ?? newest;
  const from = find("from") ?? versions[versions.findIndex((one) => one.version === to?.version) + 1];
  const choose = (name: string) => (event: { currentTarget: HTMLSelectElement }) => change({ [name]: event.currentTarget.value }, { replace: true });
  const options = versions.map((one) => <option key={one.version} value={one.version}>{`version ${one.version}, ${fullTime(one.known_from)}`}</option>);
  return (
    <Card title={versions.length > 1 ? `${versions.length}${list.hasMore ? "+" : ""} versions` : "Versions"}>
      {list.error ? <Failed error={list.error} retry={() => void list.refresh()} /> : !newest || !to ? <Loading /> : versions.length === 1 ? (
        <p class="small faint">It was never changed. A correction, or what consolidation adds, makes the next version; the one before stays readable here, and searches can be asked as of it.</p>
      ) : (
        <div class="stack">
          <div class="row small compare-versions">
            <label class="row">from <select class="select" aria-label="from version" value={from?.version ?? ""} onChange={choose("from")}>{options}</select></label>
            <label class="row">to <select class="select" aria-label="to version" value={to.version} onChange={choose("to")}>{options}</select></label>
          </div>
          {from && from.version !== to.version ? <Difference before={from} after={to} /> : <p class="small faint">Choose two different versions.</p>}
          <ol class="versions" reversed>
            {versions.map((one, n) => (
              <li key={one.version} aria-current={one.version === to.version ? "true" : undefined}>
                <button type="button" class="version" onClick={() => change({ to: one.version, from: versions[n + 1]?.version ?? null }, { replace: true })}>
                  <b class="number">{one.version}</b>
                  <span class="clamp-2 small">{one.content}</span>
                  <span class="tiny faint">known from {fullTime(one.known_from)}{one.known_to ? ` to ${fullTime(one.known_to)}` : ", now"}</span>
                </button>
              </li>
            ))}
          </ol>
          {list.hasMore && <Button small onClick={list.loadMore} busy={list.loading}>Older versions</Button>}
        </div>
      )}
    </Card>
  );
}
