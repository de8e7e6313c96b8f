/** What sigma is told to draw: shapes, rings, dashes, and which attribute each is read from. */

import type { SigmaOptions } from "sigma/types";
import { type FragmentLayer, extremityArrow, layerDashed, layerFill, layerPlain, pathCurved, pathLine, sdfCircle, sdfDiamond, sdfRectangle, sdfSquare, sdfTriangle } from "sigma/rendering";
import { SPREAD, type Palette } from "./look";

const FLOAT = 5126; // WebGL's names of types
const UNSIGNED_BYTE = 5121;

/** A ring along the edge of a shape, of a width in pixels. */
const layerRing = (): FragmentLayer => ({
  name: "ring",
  uniforms: [],
  attributes: [
    { name: "ringColor", size: 4, type: UNSIGNED_BYTE, normalized: true, source: "ringColor" },
    { name: "ringWidth", size: 1, type: FLOAT, source: "ringWidth" },
  ],
  glsl: `
vec4 layer_ring(vec4 v_ringColor, float v_ringWidth) {
  float inner = -v_ringWidth * context.pixelToUV;
  float share = v_ringWidth <= 0.0 ? 0.0 : smoothstep(inner - context.aaWidth, inner + context.aaWidth, context.sdf);
  return vec4(v_ringColor.rgb, v_ringColor.a * share);
}
`,
});

export const PRIMITIVES = {
  nodes: {
    shapes: [sdfCircle(), sdfDiamond(), sdfSquare({ cornerRadius: 0.15 }), sdfTriangle(), sdfRectangle({ aspectRatio: 1.8, cornerRadius: 0.4 })],
    layers: [layerFill(), layerRing()],
    variables: {
      ringColor: { type: "color", default: "rgba(0,0,0,0)" },
      ringWidth: { type: "number", default: 0 },
    },
    label: { font: { family: "system-ui, sans-serif", size: 12 }, margin: 4 },
  },
  edges: {
    paths: [pathLine(), pathCurved()],
    layers: [
      // Every edge runs through both: a plain one has no dashes, a dashed one nothing below them.
      layerPlain({ color: { attribute: "plainColor" } }),
      layerDashed({ dashSize: { attribute: "dashSize", default: 0, mode: "pixels" }, gapSize: { attribute: "gapSize", default: 0, mode: "pixels" }, dashColor: { attribute: "color" } }),
    ],
    extremities: [extremityArrow()],
    variables: {
      plainColor: { type: "color", default: "rgba(0,0,0,0)" },
      dashSize: { type: "number", default: 0 },
      gapSize: { type: "number", default: 0 },
    },
  },
} as const;

type Primitives = typeof PRIMITIVES;

/** What a large graph is drawn with: only straight lines, which take a thirtieth of the corners. */
export const PRIMITIVES_OF_MANY = { ...PRIMITIVES, edges: { ...PRIMITIVES.edges, paths: [pathLine()] } } as unknown as Primitives;

/** Names of sigma's shapes. */
export const SIGMA_SHAPES = { circle: "circle", diamond: "diamond", square: "square", triangle: "triangle", pill: "rectangle" } as const;

const FADED = 0.16; // of what is not beside the chosen node

type Options = SigmaOptions<NodeLook, LineLook, Record<string, unknown>, object, object, object, typeof PRIMITIVES>;

export interface NodeLook {
  x: number;
  y: number;
  size: number;
  color: string;
  opacity: number;
  label: string;
  shape: string;
  ringColor: string;
  ringWidth: number;
  visibility: "visible" | "hidden";
  [more: string]: unknown;
}

export interface LineLook {
  size: number;
  color: string;
  plainColor: string;
  opacity: number;
  dashSize: number;
  gapSize: number;
  head: string;
  visibility: "visible" | "hidden";
  [more: string]: unknown;
}

/**
 * Return the rules by which attributes become pictures.
 *
 * What depends on the state of the whole graph is worked out anew for everything whenever the reader touches anything: in a
 * large graph nothing does, and what is not beside the chosen node does not fade there.
 */
export function stylesOf(palette: Palette, large: boolean): NonNullable<Options["styles"]> {
  return {
    nodes: {
      x: { attribute: "x" },
      y: { attribute: "y" },
      size: { attribute: "size" },
      color: { attribute: "color" },
      shape: { attribute: "shape" },
      ringColor: { attribute: "ringColor" },
      ringWidth: { attribute: "ringWidth" },
      opacity: large
        ? { attribute: "opacity" }
        : (node, state, graph) => (graph.hasHighlighted && !state.isHighlighted && !state.isHovered ? FADED : node.opacity),
      visibility: { attribute: "visibility" },
      depth: { whenState: "isHovered", then: "topNodes", else: { whenState: "isHighlighted", then: "topNodes", else: "nodes" } },
      label: { attribute: "label" },
      labelColor: palette("--text"),
      labelVisibility: large
        ? { whenState: "isHovered", then: "visible", else: { whenState: "isHighlighted", then: "visible", else: "auto" } }
        : (_node, state, graph) => (state.isHovered || state.isHighlighted ? "visible" : graph.hasHighlighted ? "hidden" : "auto"),
      labelBackgroundColor: { whenState: "isHovered", then: palette("--raised"), else: `${palette("--ground")}b8` },
      labelBackgroundPadding: 1,
      cursor: "pointer",
    },
    edges: {
      // Several links between the same two nodes bend apart.
      path: "straight",
      ...(large ? {} : { parallelPath: "curved", parallelSpread: SPREAD }),
      size: { attribute: "size" },
      color: { attribute: "color" },
      plainColor: { attribute: "plainColor" },
      dashSize: { attribute: "dashSize" },
      gapSize: { attribute: "gapSize" },
      head: { attribute: "head" },
      opacity: large
        ? { whenState: "isHighlighted", then: 1, else: { attribute: "opacity" } }
        : (edge, state, graph) => (state.isHighlighted ? 1 : graph.hasHighlighted ? edge.opacity * FADED : edge.opacity),
      visibility: { attribute: "visibility" },
      depth: { whenState: "isHighlighted", then: "topEdges", else: "edges" },
    },
  };
}
