/** What a view is made of: columns as rows, answers joined, the strongest links of many. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf } from "../src/pages/graph/lines";
import { degreesOf, type GraphAnswer, joined, neighboursOf, type Picture, rowsOf, viewOf } from "../src/pages/graph/model";

const picture = (ids: string[], edges: [number, number, string, number | null][]): Picture => ({
  nodes: {
    id: ids,
    kind: ids.map((id) => (id.startsWith("e") ? "entity" : "memory")),
    label: ids.map((id) => `Text of ${id}`),
    namespace: ids.map(() => "default"),
    degree: ids.map(() => 2),
    state: ids.map((id) => (id.startsWith("e") ? null : "activated")),
    trust: ids.map((id) => (id.startsWith("e") ? null : 0.5)),
    importance: ids.map(() => null),
    pinned: ids.map(() => null),
    retrievability: ids.map(() => null),
    known_from: ids.map(() => null),
    superseded_by: ids.map(() => null),
  },
  edges: { source: edges.map(([source]) => source), target: edges.map(([, target]) => target), type: edges.map(([, , type]) => type), weight: edges.map(([, , , weight]) => weight) },
  truncated: true,
});

test("columns become nodes and edges between their ids", () => {
  const { nodes, edges, truncated } = rowsOf(picture(["m1", "e1"], [[0, 1, "mentions", null]]));
  assert.deepEqual(edges, [{ source: "m1", target: "e1", type: "mentions", weight: null }]);
  assert.equal(truncated, true);
  assert.deepEqual(nodes.map(({ id, kind, label, trust }) => [id, kind, label, trust]), [["m1", "memory", "Text of m1", 0.5], ["e1", "entity", "Text of e1", null]]);
  assert.deepEqual(rowsOf(picture([], [])), { nodes: [], edges: [], truncated: true });
  const twice = rowsOf(picture(["m1", "e1"], [[0, 1, "mentions", null], [0, 1, "mentions", null], [0, 1, "part_of", null]]));
  assert.deepEqual(twice.edges.map((edge) => edge.type), ["mentions", "part_of"]);
  // A view of a beginning alone is what it would be if it were joined.
  assert.deepEqual(viewOf(twice, [], []), viewOf(twice, [], [twice.edges[0]!]));
});

test("an expansion joins what is there, each node and edge once, and says what it brought", () => {
  const beginning = rowsOf(picture(["m1", "e1"], [[0, 1, "mentions", null]]));
  const answer = rowsOf(picture(["e1", "m2", "m1"], [[1, 0, "mentions", null], [2, 0, "mentions", null]]));
  const view = viewOf(beginning, [{ id: "e1", answer }, { id: "nobody", answer: rowsOf(picture(["m9"], [])) }], [{ source: "m1", target: "m2", type: "similar", weight: 0.8 }]);
  assert.deepEqual(view.nodes.map((node) => node.id), ["m1", "e1", "m2"]);
  assert.deepEqual(view.origins, [null, null, "e1"]);
  assert.deepEqual(view.stages, [2, 3]);
  assert.equal(view.edges.length, 3);
  assert.deepEqual(joined(beginning, [{ id: "e1", answer }]), { all: ["m1", "e1", "m2"], fresh: ["m2"] });
  assert.deepEqual(neighboursOf(view, "m2").map(({ node, out }) => [node.id, out]).sort(), [["e1", true], ["m1", false]]);
  assert.deepEqual([...degreesOf(view)].sort(), [["e1", 2], ["m1", 2], ["m2", 2]]);
});

test("of many links each node's strongest are drawn, and what says that a memory is wrong before them", () => {
  const count = 3_000;
  const ids = Array.from({ length: count }, (_, at) => `m${at}`);
  const edges: [number, number, string, number | null][] = [];
  for (let at = 0; at < count; at += 1) for (let step = 1; step <= 10; step += 1) edges.push([at, (at + step) % count, "similar", 1 / step]);
  edges.push([0, 1_500, "contradicts", 0.01]);
  const answer: GraphAnswer = rowsOf(picture(ids, edges));
  const view = viewOf(answer, [], []);
  const lines = linesOf(view);
  assert.equal(view.edges.length, edges.length);
  assert.equal(lines.length, 8_000);
  assert.ok(lines.some((line) => line.type === "contradicts"));
  const kept = new Set(lines.flatMap((line) => [line.source, line.target]));
  assert.equal(kept.size, count, "no node lost its links");
  assert.equal(linesOf(view), lines, "worked out once");
  const few = viewOf(rowsOf(picture(["m1", "m2"], [[0, 1, "similar", 1]])), [], []);
  assert.equal(linesOf(few), few.edges);
});
