/** ForceAtlas2 for thousands of nodes: the library's forces and speeds, with what is far away summed up in one pass for all. */

import { repulsion } from "./repulsion";

const EDGE = 3; // numbers of an edge: source, target, weight
const REPULSION = 10;
const GRAVITY = 0.06; // towards the middle, as the distance
const GOLDEN = 0.618_033_988_749_895; // by which grids are moved from step to step: no two steps share their borders

export interface Pace {
  steps: number;
  /** How much slower than its force a node moves. */
  slowDown: number;
  /** Told after each step. */
  after?: (step: number) => void;
}

/** Move nodes (x and y of each) from where they are, in place; edges are triples of places and a weight. */
export function settleMany(positions: Float32Array, count: number, edges: Float32Array, { steps, slowDown, after }: Pace): void {
  const mass = new Float32Array(count).fill(1);
  for (let at = 0; at < edges.length; at += EDGE) {
    const weight = edges[at + 2]!;
    for (const end of [edges[at]!, edges[at + 1]!]) mass[end] = mass[end]! + weight;
  }
  const repel = repulsion(count);
  const ease = new Float64Array(count).fill(1);
  let forces = new Float64Array(count * 2);
  let before = new Float64Array(count * 2);
  for (let step = 1; step <= steps; step += 1) {
    [forces, before] = [before, forces];
    for (let node = 0; node < count; node += 1) {
      forces[node * 2] = -GRAVITY * mass[node]! * positions[node * 2]!;
      forces[node * 2 + 1] = -GRAVITY * mass[node]! * positions[node * 2 + 1]!;
    }
    repel(positions, mass, forces, REPULSION, (step * GOLDEN) % 1);
    attract(positions, edges, forces);
    move(positions, count, mass, forces, before, ease, slowDown);
    after?.(step);
  }
}

function attract(positions: Float32Array, edges: Float32Array, forces: Float64Array): void {
  for (let at = 0; at < edges.length; at += EDGE) {
    const source = 2 * edges[at]!;
    const target = 2 * edges[at + 1]!;
    const weight = edges[at + 2]!;
    const dx = weight * (positions[target]! - positions[source]!);
    const dy = weight * (positions[target + 1]! - positions[source + 1]!);
    forces[source] = forces[source]! + dx;
    forces[source + 1] = forces[source + 1]! + dy;
    forces[target] = forces[target]! - dx;
    forces[target + 1] = forces[target + 1]! - dy;
  }
}

/** Move each node by its force, slower the more the force turns about. */
function move(positions: Float32Array, count: number, mass: Float32Array, forces: Float64Array, before: Float64Array, ease: Float64Array, slowDown: number): void {
  for (let node = 0; node < count; node += 1) {
    const x = forces[node * 2]!;
    const y = forces[node * 2 + 1]!;
    const oldX = before[node * 2]!;
    const oldY = before[node * 2 + 1]!;
    const swinging = 1 + Math.sqrt(mass[node]! * Math.sqrt((oldX - x) ** 2 + (oldY - y) ** 2));
    const traction = Math.sqrt((oldX + x) ** 2 + (oldY + y) ** 2) / 2;
    const speed = (ease[node]! * Math.log(1 + traction)) / swinging;
    ease[node] = Math.min(1, Math.sqrt((speed * (x * x + y * y)) / swinging));
    positions[node * 2] = positions[node * 2]! + (x * speed) / slowDown;
    positions[node * 2 + 1] = positions[node * 2 + 1]! + (y * speed) / slowDown;
  }
}
