/**
 * How thousands of nodes repel each other, in time that grows as their number does.
 *
 * They lie in the squares of grids, each half as fine as the one before. Near a node, squares of the finest grid count by the middle
 * of what lies in them; farther away coarser ones do, worked out once for all nodes of a square (as in Greengard and Rokhlin's
 * fast multipole method, with the first term only). The force is that of ForceAtlas2: as the masses, and as one over the distance.
 */

const COARSEST = 2; // squares a side: of 4 × 4 the most lie beside each other
const PER_SQUARE = 2.5; // nodes in one of the finest, if they lay evenly

/** Sums over the squares of one grid: masses, their middles, and the field that acts on what lies there. */
interface Grid {
  side: number;
  mass: Float64Array;
  x: Float64Array;
  y: Float64Array;
  fieldX: Float64Array;
  fieldY: Float64Array;
}

const gridOf = (side: number): Grid => ({
  side,
  mass: new Float64Array(side * side),
  x: new Float64Array(side * side),
  y: new Float64Array(side * side),
  fieldX: new Float64Array(side * side),
  fieldY: new Float64Array(side * side),
});

/** Return what repels a number of nodes; the grids are made once. */
export function repulsion(count: number): Repulsion {
  const levels = Math.max(COARSEST + 1, Math.min(8, Math.round(Math.log2(Math.sqrt(count / PER_SQUARE)))));
  const grids: Grid[] = [];
  for (let level = COARSEST; level <= levels; level += 1) grids.push(gridOf(2 ** level));
  const finest = grids[grids.length - 1]!;
  const squares = new Int32Array(count);
  const lying = new Int32Array(finest.side ** 2);
  return (at, mass, forces, scale, shift) => {
    const size = place(at, mass, count, grids, squares, shift);
    for (let level = 0; level < grids.length; level += 1) far(grids[level]!, level ? grids[level - 1]! : null);
    lying.fill(0);
    for (let node = 0; node < count; node += 1) lying[squares[node]!] = lying[squares[node]!]! + 1;
    near(finest, at, mass, { count, squares, lying, size }, forces, scale);
  };
}

/** Where nodes lie in the finest grid: the square of each, how many lie in each square, and how large one is. */
interface Lying {
  count: number;
  squares: Int32Array;
  lying: Int32Array;
  size: number;
}

/**
 * Add to the forces on nodes (x and y of each) those by which they repel each other.
 *
 * @param shift from 0 to 1: how far the grids are moved, so that over several steps no border of a square shows.
 */
export type Repulsion = (at: Float32Array, mass: Float32Array, forces: Float64Array, scale: number, shift: number) => void;

/** Sum up what lies in each square, of the finest grid by its nodes, of each coarser one by four squares; return how large the finest are. */
function place(at: Float32Array, mass: Float32Array, count: number, grids: Grid[], squares: Int32Array, shift: number): number {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let node = 0; node < count; node += 1) {
    const x = at[node * 2]!;
    const y = at[node * 2 + 1]!;
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  const finest = grids[grids.length - 1]!;
  const { side } = finest;
  // One square more than is needed, for the grids to be moved by up to as much.
  const size = Math.max(right - left, bottom - top, 1e-6) / (side - 1.001);
  for (const grid of grids) for (const sums of [grid.mass, grid.x, grid.y, grid.fieldX, grid.fieldY]) sums.fill(0);
  for (let node = 0; node < count; node += 1) {
    const column = Math.floor((at[node * 2]! - left) / size + shift);
    const row = Math.floor((at[node * 2 + 1]! - top) / size + shift);
    const square = Math.min(side - 1, row) * side + Math.min(side - 1, column);
    squares[node] = square;
    finest.mass[square] = finest.mass[square]! + mass[node]!;
    finest.x[square] = finest.x[square]! + mass[node]! * at[node * 2]!;
    finest.y[square] = finest.y[square]! + mass[node]! * at[node * 2 + 1]!;
  }
  for (let level = grids.length - 1; level > 0; level -= 1) {
    const [fine, coarse] = [grids[level]!, grids[level - 1]!];
    for (let row = 0; row < fine.side; row += 1) {
      for (let column = 0; column < fine.side; column += 1) {
        const from = row * fine.side + column;
        if (!fine.mass[from]) continue;
        const to = (row >> 1) * coarse.side + (column >> 1);
        coarse.mass[to] = coarse.mass[to]! + fine.mass[from]!;
        coarse.x[to] = coarse.x[to]! + fine.x[from]!;
        coarse.y[to] = coarse.y[to]! + fine.y[from]!;
      }
    }
  }
  for (const grid of grids) {
    for (let square = 0; square < grid.mass.length; square += 1) {
      const sum = grid.mass[square]!;
      if (!sum) continue;
      grid.x[square] = grid.x[square]! / sum;
      grid.y[square] = grid.y[square]! / sum;
    }
  }
  return size;
}

/** Work out the field of a grid: that of the coarser one, and what lies near in that one and not near in this one. */
function far(grid: Grid, coarser: Grid | null): void {
  const { side } = grid;
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const square = row * side + column;
      if (!grid.mass[square]) continue;
      const above = coarser ? (row >> 1) * coarser.side + (column >> 1) : -1;
      let fieldX = coarser ? coarser.fieldX[above]! : 0;
      let fieldY = coarser ? coarser.fieldY[above]! : 0;
      const x = grid.x[square]!;
      const y = grid.y[square]!;
      // The squares below those beside the one above; in the coarsest grid all are looked at.
      const top = coarser ? Math.max(0, ((row >> 1) - 1) * 2) : 0;
      const bottom = coarser ? Math.min(side, ((row >> 1) + 2) * 2) : side;
      const left = coarser ? Math.max(0, ((column >> 1) - 1) * 2) : 0;
      const right = coarser ? Math.min(side, ((column >> 1) + 2) * 2) : side;
      for (let otherRow = top; otherRow < bottom; otherRow += 1) {
        for (let otherColumn = left; otherColumn < right; otherColumn += 1) {
          const other = otherRow * side + otherColumn;
          const sum = grid.mass[other]!;
          if (!sum || (Math.abs(otherRow - row) <= 1 && Math.abs(otherColumn - column) <= 1)) continue;
          const dx = x - grid.x[other]!;
          const dy = y - grid.y[other]!;
          const pull = sum / (dx * dx + dy * dy);
          fieldX += pull * dx;
          fieldY += pull * dy;
        }
      }
      grid.fieldX[square] = fieldX;
      grid.fieldY[square] = fieldY;
    }
  }
}

/** Add the field of the square, and what lies in it and beside it. */
function near(grid: Grid, at: Float32Array, mass: Float32Array, { count, squares, lying, size }: Lying, forces: Float64Array, scale: number): void {
  const { side } = grid;
  // Within what is spread over a disc, the force grows with the distance from its middle instead of without bounds towards it.
  const spread = (size / 2) ** 2;
  for (let node = 0; node < count; node += 1) {
    const own = squares[node]!;
    const row = Math.floor(own / side);
    const column = own - row * side;
    const x = at[node * 2]!;
    const y = at[node * 2 + 1]!;
    const m = mass[node]!;
    let forceX = grid.fieldX[own]!;
    let forceY = grid.fieldY[own]!;
    for (let otherRow = Math.max(0, row - 1); otherRow <= Math.min(side - 1, row + 1); otherRow += 1) {
      for (let otherColumn = Math.max(0, column - 1); otherColumn <= Math.min(side - 1, column + 1); otherColumn += 1) {
        const other = otherRow * side + otherColumn;
        let sum = grid.mass[other]!;
        let middleX = grid.x[other]!;
        let middleY = grid.y[other]!;
        let others = lying[other]!;
        if (other === own) {
          // Nothing repels itself.
          const rest = sum - m;
          if (rest <= 1e-9) continue;
          middleX = (middleX * sum - m * x) / rest;
          middleY = (middleY * sum - m * y) / rest;
          sum = rest;
          others -= 1;
        }
        if (!sum) continue;
        const dx = x - middleX;
        const dy = y - middleY;
        const pull = sum / Math.max(dx * dx + dy * dy, others > 1 ? spread : 1e-4);
        forceX += pull * dx;
        forceY += pull * dy;
      }
    }
    forces[node * 2] = forces[node * 2]! + scale * m * forceX;
    forces[node * 2 + 1] = forces[node * 2 + 1]! + scale * m * forceY;
  }
}
