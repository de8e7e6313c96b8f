/** The picture: sigma draws it, the keyboard moves through it as the mouse does. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { Button } from "../../ui/parts";
import { cool, type Drawn, emptyGraph, NOTHING, type Renderer, take, warm } from "./canvas";
import { type NodeLook, SIGMA_SHAPES } from "./drawing";
import { edgeLook, KINDS, opacityOf, radiusOf, ringOf, shortLabel, widthOf, type Palette } from "./look";
import { edgeKey, LARGE, neighboursOf, showsEdge, showsNode, type Filter, type View } from "./model";
import { linesOf } from "./lines";
import type { Positions } from "./useLayout";

/** The page fetches this part by itself, and reaches the canvas through it. */
export { cool, warm };

interface Props {
  positions: Positions;
  filter: Filter;
  palette: Palette;
  chosen: string | null;
  still: boolean;
  /** Whether the reader walks by keys. */
  keyed: { current: boolean };
  onChoose: (id: string | null) => void;
  onExpand: (id: string) => void;
  onHide: (id: string) => void;
}

const seen = (shown: boolean): "visible" | "hidden" => (shown ? "visible" : "hidden");

/** Fewer nodes have room to be larger. */
const roominess = (nodes: number): number => Math.max(0.55, Math.min(1.5, 1.5 - 0.25 * Math.log2(Math.max(1, nodes / 40))));

function nodeLook(view: View, at: number, filter: Filter, palette: Palette): NodeLook {
  const node = view.nodes[at]!;
  const ring = ringOf(node);
  return {
    x: 0,
    y: 0,
    size: radiusOf(node) * roominess(view.nodes.length),
    color: palette(KINDS[node.kind].colour),
    opacity: opacityOf(node),
    label: shortLabel(node),
    shape: SIGMA_SHAPES[KINDS[node.kind].shape],
    ringColor: ring ? palette(ring.colour) : NOTHING,
    ringWidth: ring ? 2.5 : 0,
    visibility: seen(showsNode(filter, node)),
  };
}

/** Make the graph of a view; its nodes have no places yet. */
function graphOf(view: View, filter: Filter, palette: Palette): Drawn {
  const graph = emptyGraph();
  view.nodes.forEach((node, place) => graph.addNode(node.id, nodeLook(view, place, filter, palette)));
  const lines = linesOf(view);
  const faint = lines.length > 1_500 ? 0.28 : 0.55;
  for (const edge of lines) {
    const look = edgeLook(edge.type);
    graph.addDirectedEdgeWithKey(edgeKey(edge), edge.source, edge.target, {
      size: widthOf(edge),
      color: palette(look.colour),
      opacity: look.arrow ? Math.max(faint, 0.8) : faint,
      plainColor: look.dash ? NOTHING : palette(look.colour),
      dashSize: look.dash?.[0] ?? 0,
      gapSize: look.dash?.[1] ?? 0,
      head: look.arrow ? "arrow" : "none",
      visibility: seen(showsEdge(filter, edge, view)),
    });
  }
  return graph;
}

/** Put nodes, which are in the order of their view, where they lie. */
function put(graph: Drawn, at: Float32Array): void {
  let place = 0;
  graph.updateEachNodeAttributes((_id, attributes) => {
    attributes.x = at[place * 2] ?? 0;
    attributes.y = at[place * 2 + 1] ?? 0;
    place += 1;
    return attributes;
  }, { attributes: ["x", "y"] });
}

const prepared = new WeakMap<View, { graph: Drawn; filter: Filter; palette: Palette }>();

/** Make the graph of a view while a worker finds its places: the page has nothing else to do. */
export function prepare(view: View, filter: Filter, palette: Palette): void {
  prepared.set(view, { graph: graphOf(view, filter, palette), filter, palette });
}

/** Return a graph for one canvas, which keeps it. */
function placed({ view, at }: Positions, filter: Filter, palette: Palette): Drawn {
  const before = prepared.get(view);
  prepared.delete(view);
  const graph = before && before.filter === filter && before.palette === palette ? before.graph : graphOf(view, filter, palette);
  put(graph, at);
  return graph;
}

/** Mark a node and what stands beside it; the rest fades. */
function highlight(renderer: Renderer, view: View, id: string | null, before: { nodes: string[]; edges: string[] }): { nodes: string[]; edges: string[] } {
  const graph = renderer.getGraph();
  const there = before.nodes.filter((node) => graph.hasNode(node));
  if (there.length) renderer.setNodesState(there, { isHighlighted: false });
  const drawn = before.edges.filter((edge) => graph.hasEdge(edge));
  if (drawn.length) renderer.setEdgesState(drawn, { isHighlighted: false });
  if (id === null || !graph.hasNode(id)) return { nodes: [], edges: [] };
  const beside = neighboursOf(view, id);
  const nodes = [...new Set([id, ...beside.map((one) => one.node.id)])];
  const edges = beside.map((one) => edgeKey(one.edge)).filter((edge) => graph.hasEdge(edge));
  renderer.setNodesState(nodes, { isHighlighted: true });
  if (edges.length) renderer.setEdgesState(edges, { isHighlighted: true });
  return { nodes, edges };
}

/** Return the shown node that lies in a direction from another one, the nearest along it. */
function towards(renderer: Renderer, from: string | null, dx: number, dy: number): string | null {
  const graph = renderer.getGraph();
  const { width, height } = renderer.getDimensions();
  const spot = (id: string) => renderer.graphToViewport(graph.getNodeAttributes(id) as NodeLook);
  const start = from !== null && graph.hasNode(from) ? spot(from) : { x: width / 2, y: height / 2 };
  let best: string | null = null;
  let least = Infinity;
  graph.forEachNode((id, attributes) => {
    if (id === from || attributes.visibility === "hidden") return;
    const at = renderer.graphToViewport(attributes);
    const along = (at.x - start.x) * dx + (at.y - start.y) * dy;
    const aside = Math.abs((at.x - start.x) * dy) + Math.abs((at.y - start.y) * dx);
    if (from !== null && (along <= 0 || aside > 2 * along)) return;
    const cost = from === null ? Math.hypot(at.x - start.x, at.y - start.y) : along + 2 * aside;
    if (cost < least) {
      least = cost;
      best = id;
    }
  });
  return best;
}

const ARROWS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function Stage({ positions, filter, palette, chosen, still, keyed, onChoose, onExpand, onHide }: Props) {
  const element = useRef<HTMLDivElement>(null);
  const renderer = useRef<Renderer | null>(null);
  const marked = useRef<{ nodes: string[]; edges: string[] }>({ nodes: [], edges: [] });
  const told = useRef({ onChoose, onExpand });
  told.current = { onChoose, onExpand };
  // Keys may come faster than the address follows.
  const at = useRef(chosen);
  at.current = chosen;
  const { view } = positions;
  const duration = still ? 0 : 220;

  // One canvas for each view and theme; what only moves or hides is changed in place below.
  const first = useMemo(() => ({ positions, filter }), [view, palette]);
  useEffect(() => {
    const container = element.current;
    if (!container) return undefined;
    const camera = renderer.current?.getCamera().getState();
    renderer.current?.kill();
    const { drawn, holder } = take({ palette, large: view.nodes.length >= LARGE, still });
    container.replaceChildren(holder);
    drawn.setSetting("stagePadding", container.offsetWidth < 600 ? 24 : 50);
    drawn.setGraph(placed(first.positions, first.filter, palette));
    const shown = drawn as unknown as Renderer;
    renderer.current = shown;
    if (camera) shown.getCamera().setState(camera);
    shown.on("clickNode", ({ node, event }) => {
      const only = event.original instanceof MouseEvent && (event.original.shiftKey || event.original.altKey);
      if (only) told.current.onChoose(node);
      else told.current.onExpand(node);
    });
    shown.on("clickStage", () => told.current.onChoose(null));
    marked.current = { nodes: [], edges: [] };
    // For tests and for people who look closer: how many nodes and edges are drawn, and where each is.
    (container as HTMLDivElement & { drawn?: Renderer }).drawn = shown;
    const watcher = new ResizeObserver(() => shown.resize().scheduleRender());
    watcher.observe(container);
    return () => {
      watcher.disconnect();
      delete (container as HTMLDivElement & { drawn?: Renderer }).drawn;
    };
  }, [first]);
  useEffect(() => () => renderer.current?.kill(), []);
  // While places are found for more nodes there is no stage; whoever walks by keys stands on the new one.
  useEffect(() => {
    if (keyed.current && document.activeElement === document.body) element.current?.focus();
  }, []);

  useEffect(() => {
    const graph = renderer.current?.getGraph();
    if (!graph || positions === first.positions) return;
    put(graph, positions.at);
  }, [positions]);

  useEffect(() => {
    const graph = renderer.current?.getGraph();
    if (!graph || filter === first.filter) return;
    graph.updateEachNodeAttributes((id, attributes) => ({ ...attributes, visibility: seen(showsNode(filter, view.byId.get(id)!)) }), { attributes: ["visibility"] });
    const lines = linesOf(view);
    let place = 0;
    graph.updateEachEdgeAttributes((_key, attributes) => ({ ...attributes, visibility: seen(showsEdge(filter, lines[place++]!, view)) }), { attributes: ["visibility"] });
  }, [filter, first]);

  useEffect(() => {
    if (renderer.current) marked.current = highlight(renderer.current, view, chosen, marked.current);
  }, [chosen, first]);

  const zoom = (how: "in" | "out" | "all") => {
    const camera = renderer.current?.getCamera();
    if (how === "in") void camera?.zoomIn({ duration });
    else if (how === "out") void camera?.zoomOut({ duration });
    else void camera?.reset({ duration });
  };

  const onKey = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    const drawn = renderer.current;
    if (!drawn || event.ctrlKey || event.metaKey || event.altKey) return;
    keyed.current = true;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const next = towards(drawn, at.current, ...arrow);
      if (next !== null) {
        at.current = next;
        onChoose(next);
      }
    } else if (event.key === "Enter" && at.current !== null) onExpand(at.current);
    else if ((event.key === "Delete" || event.key === "Backspace") && at.current !== null) onHide(at.current);
    else if (event.key === "Escape") onChoose(null);
    else if (event.key === "+" || event.key === "=") zoom("in");
    else if (event.key === "-") zoom("out");
    else if (event.key === "0") zoom("all");
    else return;
    event.preventDefault();
  };

  return (
    <div class="graph-canvas">
      <div
        ref={element}
        class="graph-stage"
        role="application"
        tabIndex={0}
        aria-label={`Graph of ${view.nodes.length} nodes and ${view.edges.length} links${linesOf(view).length < view.edges.length ? `, the strongest ${linesOf(view).length} of them drawn` : ""}`}
        aria-describedby="graph-keys"
        data-settled={positions.done}
        onKeyDown={onKey}
      />
      <p id="graph-keys" class="visually-hidden">
        Arrow keys go to the nearest node in a direction, Enter expands it, Delete hides it, Escape lets go of it, plus and minus zoom, 0 shows everything. The same nodes stand in the table.
      </p>
      <div class="graph-zoom">
        <Button small icon="plus" aria-label="Zoom in" onClick={() => zoom("in")} />
        <Button small icon="minus" aria-label="Zoom out" onClick={() => zoom("out")} />
        <Button small icon="overview" aria-label="Show everything" onClick={() => zoom("all")} />
      </div>
    </div>
  );
}
