/** Many memories on the plane of the two times: how many lie where, counted by the service; a tap goes into a cell. */

import { useMemo } from "preact/hooks";
import { fullTime, plural } from "../../ui/format";
import { Frame, type Stretch, type Window } from "./Frame";
import type { Cell, Plane } from "./model";

const SECOND = 1_000; // as the service has it: cells are never narrower in all
const FAINTEST = 0.16;

/** The whole of an axis, as the service cut it into cells. */
function stretch(cells: readonly Cell[], from: "valid_from" | "known_from", to: "valid_to" | "known_to"): Stretch {
  let [least, most] = [Infinity, -Infinity];
  for (const cell of cells) {
    least = Math.min(least, Date.parse(cell[from]));
    most = Math.max(most, Date.parse(cell[to]));
  }
  return [new Date(least), new Date(Math.max(most, least + SECOND))];
}

/** The part of both axes in which the memories of a cell lie; its end is half open, and times are finer than milliseconds. */
const windowOf = (cell: Cell): Window => ({
  from: cell.valid_from,
  to: new Date(Date.parse(cell.valid_to) + 1).toISOString(),
  learnedFrom: cell.known_from,
  learnedTo: new Date(Date.parse(cell.known_to) + 1).toISOString(),
});

export function Density({ plane, onMark }: { plane: Plane; onMark: (window: Window) => void }) {
  const { held, learned, most } = useMemo(() => ({
    held: stretch(plane.cells, "valid_from", "valid_to"),
    learned: stretch(plane.cells, "known_from", "known_to"),
    most: plane.cells.reduce((best, cell) => Math.max(best, cell.count), 1),
  }), [plane]);
  const edge = ([from, to]: Stretch, at: number, of: number) => new Date(from.getTime() + ((to.getTime() - from.getTime()) * at) / of);
  return (
    <Frame
      held={held}
      learned={learned}
      label={`${plural(plane.total, "memory", "memories")} by when they were true and when they were learned, counted in ${plane.columns} by ${plane.rows} cells`}
      legend={<><i class="dot" style={{ "--dot": "var(--node-memory)", opacity: FAINTEST }} /> one <i class="dot" style={{ "--dot": "var(--node-memory)" }} /> {plural(most, "memory", "memories")}</>}
      onTap={(at, x, y) => {
        const cell = plane.cells.find((one) =>
          x(edge(held, one.column, plane.columns)) <= at.x && at.x <= x(edge(held, one.column + 1, plane.columns)) &&
          y(edge(learned, one.row + 1, plane.rows)) <= at.y && at.y <= y(edge(learned, one.row, plane.rows)));
        if (cell) onMark(windowOf(cell));
      }}
      onMark={onMark}
    >
      {(x, y) => plane.cells.map((cell) => {
        const [left, right] = [x(edge(held, cell.column, plane.columns)), x(edge(held, cell.column + 1, plane.columns))];
        const [top, bottom] = [y(edge(learned, cell.row + 1, plane.rows)), y(edge(learned, cell.row, plane.rows))];
        return (
          <rect key={`${cell.column} ${cell.row}`} class="cell" x={left} y={top} width={Math.max(1, right - left - 0.5)} height={Math.max(1, bottom - top - 0.5)} rx={1} opacity={FAINTEST + (1 - FAINTEST) * (Math.log(cell.count) / Math.max(1, Math.log(most)))}>
            <title>{`${plural(cell.count, "memory", "memories")}\nTrue: ${fullTime(cell.valid_from)} to ${fullTime(cell.valid_to)}\nLearned: ${fullTime(cell.known_from)} to ${fullTime(cell.known_to)}`}</title>
          </rect>
        );
      })}
    </Frame>
  );
}
