// The lower canvas: discs, links, ties, agents and names. Drawn when something has changed, not each frame:
// what moves by itself is on the canvas above (pulses.ts). Everything is drawn style by style, in short paths:
// that is what a canvas without a GPU is quick at.
import type { View } from "./camera";
import { wayBetween, type Point, type Way } from "./geometry";
import { KINDS } from "./kinds";
import { Labels, shortened, type Wish } from "./labels";
import { AGENT_RADIUS, type Disc } from "./layout";
import { nameOf, type Node, type Tie } from "./model";
import type { Palette } from "./palette";
import { WINDOW_MS } from "./recording";
import { pairsOf, type Scene } from "./scene";
import { shapeColor, type Shape, type Sprites } from "./sprites";

const BENT_TIES_MAX = 400;
const LABELS_MAX = 140;
const BUSIEST = 24; // are named where agents are dots
const LINKS_MANY = 20;
// Measured without a GPU: lines of width 1 cost some 1 µs each in short paths, wider ones twenty times that.
const PATH_MAX = 16;
const WIDE_TIES_MAX = 150;
/** Agents smaller than this are dots of a few rectangles: 1 µs each, where a sprite costs 6. */
const DOT_RADIUS = 4;
/** Shapes that a dot can stand for; of others there are few, and they are to be seen. */
const PLAIN: ReadonlySet<Shape> = new Set(["running", "asleep", "remote"]);
const WIDTHS = [1, 1.8, 2.8, 4.2];
const ALPHAS = [0.22, 0.42, 0.62, 0.85];

export interface Focus {
  selected: Node | undefined;
  hovered: Node | undefined;
  tie: Tie | undefined;
}

export interface Sky {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  view: View;
  palette: Palette;
  sprites: Sprites;
}

export interface Ground extends Sky {
  labels: Labels;
}

export function agentRadius(scale: number): number {
  return Math.min(20, Math.max(2.4, AGENT_RADIUS * scale));
}

export function onScreen(view: View, node: Point): Point {
  return { x: node.x * view.scale + view.x, y: node.y * view.scale + view.y };
}

export function isBent(scene: Scene): boolean {
  return scene.traffic.ties.length <= BENT_TIES_MAX;
}

export function drawGround(ground: Ground, scene: Scene, focus: Focus): void {
  const { context, width, height, palette } = ground;
  context.fillStyle = palette.surface;
  context.globalAlpha = 1;
  context.fillRect(0, 0, width, height);
  drawDiscs(ground, scene, focus);
  drawLinks(ground, scene);
  drawTies(ground, scene, focus);
  drawAgents(ground, scene, focus);
  drawLabels(ground, scene, focus);
}

/** Neither wanted, nor chosen, nor beside the chosen one. */
export function isDim(node: Node, scene: Scene, focus: Focus): boolean {
  if (scene.matches) return !scene.matches.has(node);
  const chosen = focus.selected;
  if (!chosen || chosen === node) return false;
  if (chosen.kind === "host") return node !== chosen && node.host !== chosen;
  return !chosen.ties.has(node) && !node.ties.has(chosen) && node !== chosen.host;
}

function drawDiscs(ground: Ground, scene: Scene, focus: Focus): void {
  const { context, view, palette } = ground;
  for (const disc of scene.discs) {
    const at = onScreen(view, centreOf(disc));
    const radius = disc.radius * view.scale;
    if (!isSeen(ground, at, radius)) continue;
    context.beginPath();
    context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
    context.fillStyle = palette.sunken;
    context.fill();
    const chosen = disc.host !== undefined && disc.host === focus.selected;
    context.lineWidth = chosen ? 2 : disc.host?.here ? 1.5 : 1;
    context.strokeStyle = chosen ? palette.accent : palette.lineStrong;
    context.setLineDash(disc.host?.here ? [] : [5, 4]);
    context.stroke();
  }
  context.setLineDash([]);
}

function centreOf(disc: Disc): Point {
  return disc.host ?? disc;
}

/** From rim to rim. One that is down is broken, and says so by its colour as well. */
function drawLinks(ground: Ground, scene: Scene): void {
  const { context, view, palette } = ground;
  const discs = new Map(scene.discs.map((disc) => [disc.host, disc]));
  const many = scene.links.length > LINKS_MANY;
  context.globalAlpha = many ? 0.5 : 1;
  for (const link of scene.links) {
    const a = discs.get(link.a);
    const b = discs.get(link.b);
    if (!a || !b) continue;
    const from = centreOf(a);
    const to = centreOf(b);
    const far = Math.hypot(to.x - from.x, to.y - from.y);
    if (far <= a.radius + b.radius) continue;
    const ux = (to.x - from.x) / far;
    const uy = (to.y - from.y) / far;
    const start = onScreen(view, { x: from.x + ux * a.radius, y: from.y + uy * a.radius });
    const end = onScreen(view, { x: to.x - ux * b.radius, y: to.y - uy * b.radius });
    context.beginPath();
    context.moveTo(start.x, start.y);
    context.lineTo(end.x, end.y);
    context.setLineDash(link.up ? [] : [3, 6]);
    const wide = many ? 1 : Math.max(2, Math.min(6, 4 * view.scale));
    context.lineWidth = link.up ? wide : 1.5;
    context.strokeStyle = link.up ? palette.lineStrong : palette.bad;
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}

interface Batch {
  color: string;
  alpha: number;
  width: number;
  ties: Tie[];
}

function drawTies(ground: Ground, scene: Scene, focus: Focus): void {
  const bent = isBent(scene);
  const wide = bent ? 0 : widthsFrom(scene);
  const batches = new Map<number, Batch>();
  const put = (tie: Tie, count: number, last: number) => {
    const dim = isDim(tie.from, scene, focus) || isDim(tie.to, scene, focus);
    const batch = batchOf(ground.palette, tie, count, scene, scene.time - last, dim, wide);
    let found = batches.get(batch.key);
    if (!found) batches.set(batch.key, (found = { ...batch, ties: [] }));
    found.ties.push(tie);
  };
  if (bent) {
    for (const tie of scene.traffic.ties) put(tie, tie.count, tie.last);
  } else {
    for (const { a, b } of pairsOf(scene.traffic.ties)) {
      const late = b && b.last > a.last ? b : a;
      put(late, a.count + (b?.count ?? 0), late.last);
    }
  }
  const sorted = [...batches.entries()].sort((x, y) => x[0] - y[0]);
  for (const [, batch] of sorted) strokeBatch(ground, batch, bent);
}

/** How many messages a tie needs to be wide, so that not too many are. */
function widthsFrom(scene: Scene): number {
  const counts = scene.traffic.ties.map((tie) => tie.count).sort((a, b) => b - a);
  return Math.max(4, (counts[WIDE_TIES_MAX] ?? 0) + 1);
}

/** Width says how many messages, strength how lately, colour what the last one did. */
function batchOf(
  palette: Palette,
  tie: Tie,
  count: number,
  scene: Scene,
  age: number,
  dim: boolean,
  wide: number,
): Omit<Batch, "ties"> & { key: number } {
  // The more there are, the less each may cover.
  const thin = Math.max(0.35, Math.min(1, Math.sqrt(BENT_TIES_MAX / scene.traffic.ties.length)));
  if (count === 0 || dim) {
    const alpha = (dim ? 0.1 : 0.35) * thin;
    return { key: dim ? 0 : 1, color: palette.lineStrong, alpha, width: 1 };
  }
  const kind = KINDS.indexOf(tie.kind);
  const width = count < Math.max(4, wide) ? 0 : count < 20 ? 1 : count < 100 ? 2 : 3;
  const fresh = 1 - Math.min(0.999, Math.max(0, age / WINDOW_MS));
  const alpha = Math.floor(fresh * ALPHAS.length);
  return {
    key: 2 + alpha * 100 + width * 10 + kind,
    color: palette.kinds[tie.kind],
    alpha: ALPHAS[alpha]! * thin,
    width: WIDTHS[width]!,
  };
}

function strokeBatch(ground: Ground, batch: Batch, bent: boolean): void {
  const { context, view } = ground;
  context.strokeStyle = batch.color;
  context.fillStyle = batch.color;
  context.globalAlpha = batch.alpha;
  context.lineWidth = batch.width;
  let lines = 0;
  context.beginPath();
  for (const tie of batch.ties) {
    const from = onScreen(view, tie.from);
    const to = onScreen(view, tie.to);
    if (!crosses(ground, from, to)) continue;
    addWay(context, wayBetween(from, to, bent), bent);
    if (++lines % PATH_MAX === 0) {
      context.stroke();
      context.beginPath();
    }
  }
  context.stroke();
  const radius = agentRadius(view.scale);
  if (bent && radius >= 6) for (const tie of batch.ties) arrow(ground, tie, radius);
  context.globalAlpha = 1;
}

export function addWay(context: CanvasRenderingContext2D, way: Way, bent: boolean): void {
  context.moveTo(way.from.x, way.from.y);
  if (bent) context.quadraticCurveTo(way.over.x, way.over.y, way.to.x, way.to.y);
  else context.lineTo(way.to.x, way.to.y);
}

/** Where the way enters the node that it leads to. */
function arrow(ground: Ground, tie: Tie, radius: number): void {
  const { context, view } = ground;
  const way = wayBetween(onScreen(view, tie.from), onScreen(view, tie.to), true);
  if (!isSeen(ground, way.to, radius)) return;
  const dx = way.to.x - way.over.x;
  const dy = way.to.y - way.over.y;
  const far = Math.hypot(dx, dy);
  if (far < radius * 3) return;
  const ux = dx / far;
  const uy = dy / far;
  const size = 3 + context.lineWidth * 1.6;
  const tip = { x: way.to.x - ux * (radius + 1.5), y: way.to.y - uy * (radius + 1.5) };
  context.beginPath();
  context.moveTo(tip.x, tip.y);
  context.lineTo(
    tip.x - ux * size * 1.6 - uy * size * 0.8,
    tip.y - uy * size * 1.6 + ux * size * 0.8,
  );
  context.lineTo(
    tip.x - ux * size * 1.6 + uy * size * 0.8,
    tip.y - uy * size * 1.6 - ux * size * 0.8,
  );
  context.fill();
}

function drawAgents(ground: Ground, scene: Scene, focus: Focus): void {
  const { context, view, sprites } = ground;
  const radius = agentRadius(view.scale);
  const dots = new Map<Shape, Point[]>();
  for (const { node, shape } of scene.agents) {
    const at = onScreen(view, node);
    if (!isSeen(ground, at, radius + 4)) continue;
    const dim = isDim(node, scene, focus);
    if (radius < DOT_RADIUS && !dim && PLAIN.has(shape)) {
      const list = dots.get(shape);
      if (list) list.push(at);
      else dots.set(shape, [at]);
      continue;
    }
    const { canvas, half } = sprites.agent(shape, radius);
    if (dim) context.globalAlpha = 0.22;
    context.drawImage(canvas, at.x - half, at.y - half, 2 * half, 2 * half);
    if (dim) context.globalAlpha = 1;
  }
  for (const [shape, points] of dots) drawDots(ground, shape, points, radius);
  if (focus.selected?.kind === "agent") drawRing(context, ground, focus.selected, 2.5);
}

/** Two rectangles, on a third of the ground's colour, that keeps them apart from the lines beneath. */
function drawDots(ground: Ground, shape: Shape, points: Point[], radius: number): void {
  const { context, palette } = ground;
  const long = Math.round(radius);
  const short = Math.max(1, Math.round(radius * 0.6));
  context.fillStyle = palette.surface;
  for (const { x, y } of points) {
    context.fillRect(
      Math.round(x) - long - 1,
      Math.round(y) - long - 1,
      2 * long + 2,
      2 * long + 2,
    );
  }
  context.fillStyle = shapeColor(shape, palette);
  for (const { x, y } of points) {
    const left = Math.round(x);
    const top = Math.round(y);
    context.fillRect(left - long, top - short, 2 * long, 2 * short);
    context.fillRect(left - short, top - long, 2 * short, 2 * long);
  }
}

/** What is under the pointer, on the upper canvas: a pointer that moves leaves the lower one alone. */
export function drawFocus(
  context: CanvasRenderingContext2D,
  seen: Pick<Ground, "view" | "palette">,
  focus: Focus,
  bent: boolean,
): void {
  if (focus.hovered?.kind === "agent") drawRing(context, seen, focus.hovered, 1.5);
  if (!focus.tie) return;
  const { view, palette } = seen;
  const way = wayBetween(onScreen(view, focus.tie.from), onScreen(view, focus.tie.to), bent);
  context.beginPath();
  addWay(context, way, bent);
  context.lineWidth = 3;
  context.strokeStyle = palette.accent;
  context.stroke();
}

function drawRing(
  context: CanvasRenderingContext2D,
  { view, palette }: Pick<Ground, "view" | "palette">,
  node: Node,
  width: number,
): void {
  const at = onScreen(view, node);
  context.beginPath();
  context.arc(at.x, at.y, agentRadius(view.scale) + 3.5, 0, 2 * Math.PI);
  context.lineWidth = width;
  context.strokeStyle = palette.accent;
  context.stroke();
}

function drawLabels(ground: Ground, scene: Scene, focus: Focus): void {
  const { context, view, labels } = ground;
  const radius = agentRadius(view.scale);
  const wishes: Wish[] = [];
  for (const disc of scene.discs) {
    const at = onScreen(view, centreOf(disc));
    const size = disc.radius * view.scale;
    if (!isSeen(ground, at, size + Labels.HEIGHT)) continue;
    const chosen = disc.host !== undefined && disc.host === focus.selected;
    wishes.push({
      text: disc.host ? shortened(nameOf(disc.host)) : "their host is not known",
      x: at.x,
      y: Math.max(at.y - size - Labels.HEIGHT - 2, Math.min(4, at.y + size - 24)),
      weight: chosen ? 4e9 : 2e9 + disc.radius,
      bold: true,
      dim: disc.host === undefined || isDim(disc.host, scene, focus),
    });
  }
  // Where agents are dots, only the few that matter are named.
  const roomy = AGENT_RADIUS * view.scale >= DOT_RADIUS;
  const busy = busyOf(scene);
  const busiest = roomy ? undefined : busiestOf(busy);
  for (const { node } of scene.agents) {
    const chosen = node === focus.selected;
    const wanted = scene.matches?.has(node) ?? false;
    if (!chosen && !wanted && busiest && !busiest.has(node)) continue;
    const at = onScreen(view, node);
    if (!isSeen(ground, at, 40)) continue;
    const dim = isDim(node, scene, focus);
    if (dim && busiest) continue;
    wishes.push({
      text: shortened(nameOf(node)),
      x: at.x,
      y: at.y + radius + 3,
      above: at.y - radius - 3 - Labels.HEIGHT,
      weight: (chosen ? 3e9 : wanted ? 1e9 : 0) + (dim ? 0 : (busy.get(node) ?? 0) + 1),
      bold: chosen,
      dim,
    });
  }
  labels.paint(context, wishes, LABELS_MAX);
}

function busyOf(scene: Scene): Map<Node, number> {
  const busy = new Map<Node, number>();
  for (const tie of scene.traffic.ties) {
    busy.set(tie.from, (busy.get(tie.from) ?? 0) + tie.count);
    busy.set(tie.to, (busy.get(tie.to) ?? 0) + tie.count);
  }
  return busy;
}

function busiestOf(busy: ReadonlyMap<Node, number>): Set<Node> {
  const sorted = [...busy].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  return new Set(sorted.slice(0, BUSIEST).map(([node]) => node));
}

function isSeen(ground: Ground, at: Point, radius: number): boolean {
  return (
    at.x + radius >= 0 &&
    at.y + radius >= 0 &&
    at.x - radius <= ground.width &&
    at.y - radius <= ground.height
  );
}

function crosses(ground: Ground, a: Point, b: Point): boolean {
  return !(
    (a.x < 0 && b.x < 0) ||
    (a.y < 0 && b.y < 0) ||
    (a.x > ground.width && b.x > ground.width) ||
    (a.y > ground.height && b.y > ground.height)
  );
}
