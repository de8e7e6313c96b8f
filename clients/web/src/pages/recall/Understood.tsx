/** How the query was read: words, names, dates, what kind of answer it wants. */

import { dayOf } from "../../ui/format";
import type { Schema } from "../../data/types";
import { Badge, Card, Facts } from "../../ui/parts";

type Query = Schema<"QueryOut">;

function wants(query: Query): string[] {
  const said: string[] = [];
  if (query.question_word) said.push({ when: "a time", where: "a place", who: "a person", "how many": "a number", "how much": "an amount", why: "a reason" }[query.question_word] ?? `an answer to “${query.question_word}”`);
  else said.push(query.is_question ? "an answer" : "what it brings to mind");
  if (query.asks_current) said.push("as it is now");
  if (query.asks_latest) said.push("the latest");
  if (query.asks_earliest) said.push("the earliest");
  if (query.intents.includes("summary")) said.push("a summary");
  if (query.intents.includes("course")) said.push("how it went on");
  return said;
}

export function Understood({ query, weights, learned, candidates, loaded, namespaces }: Pick<Schema<"ExplainOut">, "query" | "weights" | "learned" | "candidates" | "loaded" | "namespaces">) {
  const badges = (of: string[]) => of.length > 0 && <span class="row">{of.map((one) => <Badge key={one}>{one}</Badge>)}</span>;
  return (
    <Card title="As the query was understood">
      <Facts
        of={[
          ["Wants", wants(query).join(", ")],
          ["Read as", `a ${query.route ?? "question"}${query.route_reason ? `: ${query.route_reason}` : ""}`],
          ["Encoded as", query.spoken !== query.text && `“${query.spoken}”`],
          ["Speaker", query.speaker],
          ["Names", badges(query.names)],
          ["Dates", query.dates.length > 0 && query.dates.map((one) => `${one.phrase}: ${one.start ? dayOf(one.start) : "…"} – ${one.end ? dayOf(one.end) : "…"}`).join("; ")],
          ["Numbers", badges(query.numbers)],
          ["Phrases", badges(query.phrases)],
          ["Words", badges(query.terms.map((term) => { const others = query.alternatives[term]; return others?.length ? `${term} (${others.join(", ")})` : term; }))],
          ["Language", query.language],
          ["Coverage", query.coverage !== null && `${Math.round(query.coverage * 100)} % of its words are known here`],
          ["Weights", Object.entries(weights).map(([name, weight]) => `${name} ${weight}`).join(", ")],
          ["Learned", Object.entries(learned).map(([name, factor]) => `${name} × ${factor.toFixed(2)}`).join(", ")],
          ["Candidates", `${candidates.toLocaleString("en")}${loaded ? `, ${{ resident: "all of the namespace, kept in memory", snapshot: "all of the namespace, read as it was", candidates: "the best of each channel" }[loaded]}` : ""}`],
          ["Namespaces", namespaces.length > 1 && namespaces.join(", ")],
        ]}
      />
    </Card>
  );
}
