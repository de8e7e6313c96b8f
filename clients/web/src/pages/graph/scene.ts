/** A view as plain shapes, and the shapes as SVG or on a canvas: exports look the same without a graphics card. */

import { edgeLook, KINDS, opacityOf, radiusOf, ringOf, shortLabel, SPREAD, widthOf, type Palette, type Shape } from "./look";
import { showsEdge, showsNode, tally, type Filter, type GraphEdge } from "./model";
import type { Positions } from "./useLayout";

/** `bend` is how far its middle lies beside the straight line. */
interface Line { x1: number; y1: number; x2: number; y2: number; bend: number; colour: string; width: number; dash: [number, number] | null; arrow: boolean }
interface Mark { x: number; y: number; radius: number; shape: Shape; colour: string; opacity: number; ring: string | null; label: string | null }
export interface Scene { width: number; height: number; ground: string; text: string; lines: Line[]; marks: Mark[] }

const MARGIN = 60;
const LABELS = 160; // the largest nodes have their labels; more would cover each other

/** Draw a view to a scale at which its nodes keep apart. */
export function sceneOf(positions: Positions, filter: Filter, palette: Palette): Scene {
  const { view, at } = positions;
  const shown = view.nodes.map((node, place) => ({ node, x: at[place * 2] ?? 0, y: -(at[place * 2 + 1] ?? 0) })).filter(({ node }) => showsNode(filter, node));
  const [left, right] = extent(shown.map((one) => one.x));
  const [top, bottom] = extent(shown.map((one) => one.y));
  const side = Math.min(6_000, Math.max(900, 90 * Math.sqrt(shown.length)));
  const scale = side / Math.max(right - left, bottom - top, 1);
  const place = new Map(shown.map(({ node, x, y }) => [node.id, { x: MARGIN + (x - left) * scale, y: MARGIN + (y - top) * scale }]));
  const edges = view.edges.filter((edge) => showsEdge(filter, edge, view));
  const sharing = tally(edges, pairOf);
  const before = new Map<string, number>();
  const lines = edges.map((edge): Line => {
    const from = place.get(edge.source)!;
    const to = place.get(edge.target)!;
    const look = edgeLook(edge.type);
    const pair = pairOf(edge);
    const at = before.get(pair) ?? 0;
    before.set(pair, at + 1);
    // Seen from the other end, the other side is the same side.
    const side = (at - (sharing.get(pair)! - 1) / 2) * (edge.source < edge.target ? 1 : -1);
    return { x1: from.x, y1: from.y, x2: to.x, y2: to.y, bend: 0.5 * SPREAD * side * Math.hypot(to.x - from.x, to.y - from.y), colour: palette(look.colour), width: widthOf(edge), dash: look.dash, arrow: look.arrow };
  });
  const radius = new Map(shown.map(({ node }) => [node.id, radiusOf(node)]));
  const named = new Set(shown.map(({ node }) => node.id).sort((a, b) => radius.get(b)! - radius.get(a)!).slice(0, LABELS));
  const marks = shown.map(({ node }): Mark => {
    const ring = ringOf(node);
    const { x, y } = place.get(node.id)!;
    return {
      x, y, radius: radius.get(node.id)!, shape: KINDS[node.kind].shape, colour: palette(KINDS[node.kind].colour), opacity: opacityOf(node),
      ring: ring ? palette(ring.colour) : null, label: named.has(node.id) ? shortLabel(node) : null,
    };
  });
  return { width: (right - left) * scale + 2 * MARGIN + 160, height: (bottom - top) * scale + 2 * MARGIN, ground: palette("--ground"), text: palette("--text"), lines, marks };
}

/** Both ends of an edge, whichever way it leads. */
const pairOf = (edge: GraphEdge): string => (edge.source < edge.target ? `${edge.source} ${edge.target}` : `${edge.target} ${edge.source}`);

/** Where the middle of a line lies, and the corner of the curve that goes through it. */
function middleOf(line: Line): { middle: [number, number]; corner: [number, number] } {
  const long = Math.hypot(line.x2 - line.x1, line.y2 - line.y1) || 1;
  const [across, down] = [-(line.y2 - line.y1) / long, (line.x2 - line.x1) / long];
  const [x, y] = [0.5 * (line.x1 + line.x2), 0.5 * (line.y1 + line.y2)];
  return { middle: [x + across * line.bend, y + down * line.bend], corner: [x + 2 * across * line.bend, y + 2 * down * line.bend] };
}

function extent(values: number[]): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return values.length ? [least, most] : [0, 0];
}

/** The corners of a shape; a circle has none, a pill is drawn as a rectangle with round ends. */
export function cornersOf(shape: Shape, x: number, y: number, r: number): [number, number][] {
  if (shape === "diamond") return [[x, y - r], [x + r, y], [x, y + r], [x - r, y]];
  if (shape === "triangle") return [[x, y - r], [x + 0.87 * r, y + 0.5 * r], [x - 0.87 * r, y + 0.5 * r]];
  const [w, h] = shape === "pill" ? [r, 0.55 * r] : [0.78 * r, 0.78 * r];
  return [[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h]];
}

/** The tip of an arrow half way along a line, where neither node covers it. */
function arrowOf(line: Line): [number, number][] {
  const angle = Math.atan2(line.y2 - line.y1, line.x2 - line.x1);
  const [x, y] = middleOf(line).middle;
  const size = 3 + 2 * line.width;
  return [0, 2.6, -2.6].map((turn) => [x + size * Math.cos(angle + turn), y + size * Math.sin(angle + turn)]);
}

// What XML 1.0 cannot hold even escaped: control characters and lone surrogates.
const UNSAYABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };
const escaped = (text: string): string => text.replace(UNSAYABLE, "\ufffd").replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
const points = (corners: [number, number][]): string => corners.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

/** Write a scene as a picture of its own. */
export function svgOf(scene: Scene): string {
  const size = `${Math.ceil(scene.width)} ${Math.ceil(scene.height)}`;
  const [width, height] = size.split(" ");
  const out = [`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">`, `<rect width="100%" height="100%" fill="${scene.ground}"/>`];
  for (const line of scene.lines) {
    const dash = line.dash ? ` stroke-dasharray="${line.dash.join(" ")}"` : "";
    const corner = line.bend ? `Q${middleOf(line).corner.map((one) => one.toFixed(1)).join(" ")} ` : "L";
    out.push(`<path d="M${line.x1.toFixed(1)} ${line.y1.toFixed(1)} ${corner}${line.x2.toFixed(1)} ${line.y2.toFixed(1)}" fill="none" stroke="${line.colour}" stroke-width="${line.width.toFixed(2)}" stroke-opacity="0.6"${dash}/>`);
    if (line.arrow) out.push(`<polygon points="${points(arrowOf(line))}" fill="${line.colour}"/>`);
  }
  for (const mark of scene.marks) {
    const paint = `fill="${mark.colour}" fill-opacity="${mark.opacity.toFixed(2)}" stroke="${mark.ring ?? scene.ground}" stroke-width="${mark.ring ? 2.5 : 1}"`;
    if (mark.shape === "circle") out.push(`<circle cx="${mark.x.toFixed(1)}" cy="${mark.y.toFixed(1)}" r="${mark.radius.toFixed(1)}" ${paint}/>`);
    else out.push(`<polygon points="${points(cornersOf(mark.shape, mark.x, mark.y, mark.radius))}" stroke-linejoin="round" ${paint}/>`);
  }
  for (const mark of scene.marks)
    if (mark.label) out.push(`<text x="${(mark.x + mark.radius + 4).toFixed(1)}" y="${(mark.y + 4).toFixed(1)}" fill="${scene.text}" stroke="${scene.ground}" stroke-width="3" paint-order="stroke">${escaped(mark.label)}</text>`);
  out.push("</svg>");
  return out.join("\n");
}

const MOST_PIXELS = 8_000; // a side; browsers refuse larger canvases

/** Paint a scene as PNG, at twice its size where a canvas can be that large. */
export function pngOf(scene: Scene): Promise<Blob> {
  const scale = Math.min(2, MOST_PIXELS / Math.max(scene.width, scene.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(scene.width * scale);
  canvas.height = Math.ceil(scene.height * scale);
  const pen = canvas.getContext("2d");
  if (!pen) return Promise.reject(new Error("This browser draws no pictures."));
  pen.scale(scale, scale);
  pen.fillStyle = scene.ground;
  pen.fillRect(0, 0, scene.width, scene.height);
  for (const line of scene.lines) paintLine(pen, line);
  for (const mark of scene.marks) paintMark(pen, mark, scene.ground);
  pen.font = "12px system-ui, sans-serif";
  pen.lineJoin = "round";
  for (const mark of scene.marks) {
    if (!mark.label) continue;
    pen.lineWidth = 3;
    pen.strokeStyle = scene.ground;
    pen.strokeText(mark.label, mark.x + mark.radius + 4, mark.y + 4);
    pen.fillStyle = scene.text;
    pen.fillText(mark.label, mark.x + mark.radius + 4, mark.y + 4);
  }
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large."))), "image/png"));
}

function trace(pen: CanvasRenderingContext2D, corners: [number, number][]): void {
  pen.beginPath();
  corners.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
}

function paintLine(pen: CanvasRenderingContext2D, line: Line): void {
  pen.globalAlpha = 0.6;
  pen.strokeStyle = line.colour;
  pen.lineWidth = line.width;
  pen.setLineDash(line.dash ?? []);
  pen.beginPath();
  pen.moveTo(line.x1, line.y1);
  if (line.bend) pen.quadraticCurveTo(...middleOf(line).corner, line.x2, line.y2);
  else pen.lineTo(line.x2, line.y2);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
  if (!line.arrow) return;
  trace(pen, arrowOf(line));
  pen.fillStyle = line.colour;
  pen.fill();
}

function paintMark(pen: CanvasRenderingContext2D, mark: Mark, ground: string): void {
  if (mark.shape === "circle") {
    pen.beginPath();
    pen.arc(mark.x, mark.y, mark.radius, 0, 2 * Math.PI);
  } else trace(pen, cornersOf(mark.shape, mark.x, mark.y, mark.radius));
  pen.globalAlpha = mark.opacity;
  pen.fillStyle = mark.colour;
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = mark.ring ?? ground;
  pen.lineWidth = mark.ring ? 2.5 : 1;
  pen.stroke();
}

/** Hand a file to the reader. */
export function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
