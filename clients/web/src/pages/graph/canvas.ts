/** The canvas on which sigma draws. One is made ready while the service reads what is to be drawn. */

import Graph from "graphology";
import Sigma from "sigma";
import { type LineLook, type NodeLook, PRIMITIVES, PRIMITIVES_OF_MANY, SIGMA_SHAPES, stylesOf } from "./drawing";
import type { Palette } from "./look";

export type Drawn = Graph<NodeLook, LineLook>;
export type Renderer = Sigma<NodeLook, LineLook>;

export const NOTHING = "rgba(0,0,0,0)";

/**
 * Sigma that does not work everything out anew when a drag ends.
 *
 * It does so to bring back the edges that it hid meanwhile, and a picture of the same is enough for that; what changes, changes
 * the graph, and the graph says what.
 */
class Picture extends Sigma<NodeLook, LineLook, Record<string, unknown>, object, object, object, typeof PRIMITIVES> {
  settled = false;

  override refresh(changes?: Parameters<Sigma["refresh"]>[0]): this {
    return changes === undefined && this.settled ? this.scheduleRender() : super.refresh(changes);
  }

  /** Draw another graph: everything is worked out anew, as at first. */
  override setGraph(graph: Drawn): this {
    this.settled = false;
    // Sigma 4.0.4 goes on to ask the graph before which edges lie beside each other. Its dragging of nodes does so, too: it is off.
    (this as unknown as { edgeGroups: { graph: Drawn } }).edgeGroups.graph = graph;
    super.setGraph(graph);
    this.settled = true;
    return this;
  }
}

/** What decides how a canvas is set up; for another of these another one is made. */
export interface Kind {
  palette: Palette;
  /** Whether it is for very many nodes. */
  large: boolean;
  still: boolean;
}

/** A canvas and the element in which it lies. */
export interface Canvas {
  holder: HTMLElement;
  drawn: Picture;
}

export const emptyGraph = (): Drawn => new Graph<NodeLook, LineLook>({ multi: true, type: "directed" });

/** Make a canvas that shows a graph; its element is in no page yet. */
function make({ palette, large, still }: Kind, graph: Drawn): Canvas {
  const holder = document.createElement("div");
  holder.className = "graph-holder";
  const drawn = new Picture(graph, holder, {
    primitives: large ? PRIMITIVES_OF_MANY : PRIMITIVES,
    styles: stylesOf(palette, large),
    settings: {
      gestureTarget: "graph", // the other kinds show a hint with a style sheet of its own, which the policy of contents forbids
      itemSizesReference: "screen",
      labelDensity: 0.6,
      labelGridCellSize: 110,
      labelRenderedSizeThreshold: 6.5,
      minCameraRatio: 0.02,
      maxCameraRatio: 3,
      minEdgeThickness: 0.8,
      hideEdgesOnMove: large,
      hideLabelsOnMove: large,
      nodePickingPadding: 4,
      zoomDuration: still ? 0 : 220,
      inertiaDuration: still ? 0 : 200,
      allowInvalidContainer: true,
    },
  });
  drawn.settled = true;
  drawn.on("webglContextRestored", () => {
    drawn.settled = false; // The card has forgotten everything: now it is all worked out anew.
    queueMicrotask(() => { drawn.settled = true; });
  });
  return { holder, drawn };
}

// Letters are drawn before they are needed; labels in Latin letters have no others, or few.
const LETTERS = String.fromCharCode(...Array.from({ length: 95 }, (_, at) => 32 + at));

let ready: { kind: Kind; canvas: Canvas } | null = null;
const fits = (one: Kind, other: Kind): boolean => one.palette === other.palette && one.large === other.large && one.still === other.still;

/** Make a canvas ready: its context, its programs, its letters. Done while one waits for the service, none of it delays the picture. */
export function warm(kind: Kind): void {
  if (ready && fits(ready.kind, kind)) return;
  cool();
  const graph = emptyGraph();
  graph.addNode("letters", { x: 0, y: 0, size: 1, color: NOTHING, opacity: 0, label: LETTERS, shape: SIGMA_SHAPES.circle, ringColor: NOTHING, ringWidth: 0, visibility: "visible" });
  ready = { kind, canvas: make(kind, graph) };
}

/** Give up the canvas that was made ready, as when the page is left. */
export function cool(): void {
  ready?.canvas.drawn.kill();
  ready = null;
}

/** Return a canvas with nothing on it, the one that was made ready where it fits; the caller keeps it. */
export function take(kind: Kind): Canvas {
  if (!ready || !fits(ready.kind, kind)) {
    cool();
    return make(kind, emptyGraph());
  }
  const { canvas } = ready;
  ready = null;
  return canvas;
}
