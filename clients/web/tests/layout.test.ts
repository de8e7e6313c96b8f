/** Where nodes lie: the same every time, near what they are linked to, and apart. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut, type LayoutRequest, unit } from "../src/pages/graph/layout";
import { settleMany } from "../src/pages/graph/many";
import { repulsion } from "../src/pages/graph/repulsion";

/** Clusters of nodes, each linked to the first of its own, as texts and whom they name. */
function clusters(nodes: number, size: number): LayoutRequest {
  const ids = Array.from({ length: nodes }, (_, at) => `node-${at}`);
  const edges: number[] = [];
  for (let at = 0; at < nodes; at += 1) if (at % size) edges.push(at, at - (at % size), 1);
  return { run: 1, ids, edges: Float32Array.from(edges), stages: [nodes], origins: new Int32Array(nodes).fill(-1), moving: false };
}

const distance = (at: Float32Array, one: number, other: number): number => Math.hypot(at[one * 2]! - at[other * 2]!, at[one * 2 + 1]! - at[other * 2 + 1]!);
const untold = () => assert.fail("a layout that does not move tells nothing on its way");

/** Points of which half lie close together, as they do in a graph. */
function points(count: number): Float32Array {
  const at = new Float32Array(count * 2);
  for (let node = 0; node < count; node += 1) {
    const [close, spread] = [node % 2 === 0, node % 2 === 0 ? 40 : 1_000];
    const middle = close ? 300 * (node % 6) : 0;
    at[node * 2] = middle + spread * unit(`x${node}`, 1);
    at[node * 2 + 1] = middle + spread * unit(`y${node}`, 2);
  }
  return at;
}

test("what is summed up by squares repels nearly as all pairs do", () => {
  const count = 3_000;
  const at = points(count);
  const mass = Float32Array.from({ length: count }, (_, node) => 1 + (node % 5));
  const exact = new Float64Array(count * 2);
  for (let node = 0; node < count; node += 1) {
    for (let other = 0; other < count; other += 1) {
      if (node === other) continue;
      const [dx, dy] = [at[node * 2]! - at[other * 2]!, at[node * 2 + 1]! - at[other * 2 + 1]!];
      const pull = (10 * mass[node]! * mass[other]!) / Math.max(dx * dx + dy * dy, 1e-4);
      exact[node * 2] = exact[node * 2]! + pull * dx;
      exact[node * 2 + 1] = exact[node * 2 + 1]! + pull * dy;
    }
  }
  const forces = new Float64Array(count * 2);
  const repel = repulsion(count);
  const rounds = 5; // as over the steps of a layout, with the squares elsewhere in each
  for (let round = 0; round < rounds; round += 1) repel(at, mass, forces, 10 / rounds, round / rounds);
  const off: number[] = [];
  let along = 0;
  for (let node = 0; node < count; node += 1) {
    const [ex, ey, fx, fy] = [exact[node * 2]!, exact[node * 2 + 1]!, forces[node * 2]!, forces[node * 2 + 1]!];
    off.push(Math.hypot(ex - fx, ey - fy) / Math.hypot(ex, ey));
    along += (ex * fx + ey * fy) / (Math.hypot(ex, ey) * Math.hypot(fx, fy));
  }
  const median = off.sort((a, b) => a - b)[count / 2]!;
  assert.ok(median < 0.25, `half of the forces are off by more than ${median}`);
  // Of the direction less is wrong: it is what moves a node.
  assert.ok(along / count > 0.9, `the mean cosine is ${along / count}`);
});

test("nodes in one place, and one node alone, do not fly away", () => {
  for (const count of [1, 2, 1_200]) {
    const at = new Float32Array(count * 2).fill(7);
    settleMany(at, count, new Float32Array(0), { steps: 5, slowDown: 5 });
    assert.ok(at.every(Number.isFinite), `${count}`);
  }
});

for (const nodes of [60, 800, 1_400, 6_000]) {
  test(`${nodes} nodes lie where they lay before, beside what they are linked to`, () => {
    const request = clusters(nodes, 20);
    const [first, again] = [layOut(request, null, untold), layOut(request, null, untold)];
    assert.deepEqual(first, again);
    assert.ok(first.every(Number.isFinite));
    let [linked, others] = [0, 0];
    for (let node = 1; node < nodes; node += 1) {
      if (node % 20 === 0) continue;
      linked += distance(first, node, node - (node % 20));
      others += distance(first, node, (node * 7_919) % nodes);
    }
    assert.ok(linked < others / 3, `${linked / nodes} beside ${others / nodes}`);
  });
}

test("a layout that moves tells of its way, and ends where one that does not ends", () => {
  for (const nodes of [300, 1_200]) {
    let told = 0;
    const still = layOut(clusters(nodes, 10), null, untold);
    const moved = layOut({ ...clusters(nodes, 10), moving: true }, null, () => { told += 1; });
    assert.ok(told >= 8, `${told}`);
    assert.deepEqual(moved, still);
  }
});

test("what was expanded begins beside its origin, and what was there before stays near its place", () => {
  const whole = clusters(240, 12);
  const before = layOut({ ...whole, ids: whole.ids.slice(0, 200), edges: whole.edges.filter((_, at) => whole.edges[at - (at % 3)]! < 200), origins: whole.origins.slice(0, 200), stages: [200] }, null, untold);
  const origins = Int32Array.from(whole.origins, (_, at) => (at < 200 ? -1 : 5));
  const after = layOut({ ...whole, origins, stages: [200, 240] }, { positions: before, stages: 1 }, untold);
  const replayed = layOut({ ...whole, origins, stages: [200, 240] }, null, untold);
  assert.deepEqual(after, replayed, "a link to the expanded view replays the same stages");
});
