// The lower canvas: discs, links, ties, agents and names. Drawn when something has changed, not each frame:
// what moves by itself is on the canvas above (pulses.ts). Everything is drawn style by style, in short paths:
// that is what a canvas without a GPU is quick at.
import type { View } from "./camera";
import { wayBetween, type Point } from "./geometry";
import { KINDS } from "./kinds";
import { Labels, shortened, type Wish } from "./labels";
import { AGENT_RADIUS, type Disc } from "./layout";
import type { Node, Tie } from "./model";
import type { Palette } from "./palette";
import { WINDOW_MS } from "./recording";
import { pairsOf, type Scene } from "./scene";
import type { Sprites } from "./sprites";

const BENT_TIES_MAX = 400;
const LABELS_MAX = 140;
const PATH_MAX = 160; // lines stroked at once: longer paths cost more than their lines
const WIDTHS = [1, 1.8, 2.8, 4.2];
const ALPHAS = [0.22, 0.42, 0.62, 0.85];

export interface Focus {
  selected: Node | undefined;
  hovered: Node | undefined;
  tie: Tie | undefined;
}

export interface Ground {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  view: View;
  palette: Palette;
  sprites: Sprites;
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
function isDim(node: Node, scene: Scene, focus: Focus): boolean {
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
    const hovered = disc.host !== undefined && disc.host === focus.hovered;
    context.lineWidth = chosen ? 2 : disc.host?.here ? 1.5 : 1;
    context.strokeStyle = chosen || hovered ? palette.accent : palette.lineStrong;
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
    context.lineWidth = link.up ? Math.max(2, Math.min(6, 4 * view.scale)) : 1.5;
    context.strokeStyle = link.up ? palette.lineStrong : palette.bad;
    context.stroke();
  }
  context.setLineDash([]);
}

interface Batch {
  color: string;
  alpha: number;
  width: number;
  lines: { tie: Tie; bent: boolean }[];
}

function drawTies(ground: Ground, scene: Scene, focus: Focus): void {
  const bent = isBent(scene);
  const batches = new Map<number, Batch>();
  const put = (tie: Tie, count: number, last: number) => {
    const dim = isDim(tie.from, scene, focus) || isDim(tie.to, scene, focus);
    const batch = batchOf(ground.palette, tie, count, scene.time - last, dim, scene);
    let found = batches.get(batch.key);
    if (!found) batches.set(batch.key, (found = { ...batch, lines: [] }));
    found.lines.push({ tie, bent });
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
  for (const [, batch] of sorted) strokeBatch(ground, batch);
  const shown = focus.tie;
  if (shown) {
    const color = ground.palette.accent;
    strokeBatch(ground, { color, alpha: 1, width: 3, lines: [{ tie: shown, bent }] });
  }
}

/** Width says how many messages, strength how lately, colour what the last one did. */
function batchOf(
  palette: Palette,
  tie: Tie,
  count: number,
  age: number,
  dim: boolean,
  scene: Scene,
): { key: number; color: string; alpha: number; width: number } {
  // The more there are, the less each may cover.
  const thin = Math.max(0.35, Math.min(1, Math.sqrt(BENT_TIES_MAX / scene.traffic.ties.length)));
  if (count === 0 || dim) {
    const alpha = (dim ? 0.1 : 0.35) * thin;
    return { key: dim ? 0 : 1, color: palette.lineStrong, alpha, width: 1 };
  }
  const kind = KINDS.indexOf(tie.kind);
  const width = count < 4 ? 0 : count < 20 ? 1 : count < 100 ? 2 : 3;
  const fresh = 1 - Math.min(0.999, Math.max(0, age / WINDOW_MS));
  const alpha = Math.floor(fresh * ALPHAS.length);
  return {
    key: 2 + alpha * 100 + width * 10 + kind,
    color: palette.kinds[tie.kind],
    alpha: ALPHAS[alpha]! * thin,
    width: WIDTHS[width]! * (thin < 1 ? 0.7 : 1),
  };
}

function strokeBatch(ground: Ground, batch: Batch): void {
  const { context, view } = ground;
  context.strokeStyle = batch.color;
  context.fillStyle = batch.color;
  context.globalAlpha = batch.alpha;
  context.lineWidth = batch.width;
  const radius = agentRadius(view.scale);
  let lines = 0;
  context.beginPath();
  for (const { tie, bent } of batch.lines) {
    const from = onScreen(view, tie.from);
    const to = onScreen(view, tie.to);
    if (!crosses(ground, from, to)) continue;
    context.moveTo(from.x, from.y);
    if (bent) {
      const { over } = wayBetween(from, to, true);
      context.quadraticCurveTo(over.x, over.y, to.x, to.y);
    } else {
      context.lineTo(to.x, to.y);
    }
    if (++lines % PATH_MAX === 0) {
      context.stroke();
      context.beginPath();
    }
  }
  context.stroke();
  if (radius >= 6) for (const { tie, bent } of batch.lines) if (bent) arrow(ground, tie, radius);
  context.globalAlpha = 1;
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
  const { context, view, palette, sprites } = ground;
  const radius = agentRadius(view.scale);
  for (const { node, shape } of scene.agents) {
    const at = onScreen(view, node);
    if (!isSeen(ground, at, radius + 4)) continue;
    const { canvas, half } = sprites.agent(shape, radius);
    const dim = isDim(node, scene, focus);
    if (dim) context.globalAlpha = 0.22;
    context.drawImage(canvas, at.x - half, at.y - half, 2 * half, 2 * half);
    if (dim) context.globalAlpha = 1;
  }
  for (const node of [focus.hovered, focus.selected]) {
    if (node?.kind !== "agent") continue;
    const at = onScreen(view, node);
    context.beginPath();
    context.arc(at.x, at.y, radius + 3.5, 0, 2 * Math.PI);
    context.lineWidth = node === focus.selected ? 2.5 : 1.5;
    context.strokeStyle = palette.accent;
    context.stroke();
  }
}

function drawLabels(ground: Ground, scene: Scene, focus: Focus): void {
  const { context, view, labels } = ground;
  const radius = agentRadius(view.scale);
  const wishes: Wish[] = [];
  for (const disc of scene.discs) {
    const at = onScreen(view, centreOf(disc));
    const size = disc.radius * view.scale;
    if (!disc.host || !isSeen(ground, at, size + Labels.HEIGHT)) continue;
    const chosen = disc.host === focus.selected || disc.host === focus.hovered;
    wishes.push({
      text: shortened(disc.host.name || disc.host.did),
      x: at.x,
      y: Math.max(at.y - size - Labels.HEIGHT - 2, Math.min(4, at.y + size - 24)),
      weight: chosen ? 4e9 : 2e9 + disc.radius,
      bold: true,
      dim: isDim(disc.host, scene, focus),
    });
  }
  // Where agents are dots, only the few that matter are named.
  const roomy = AGENT_RADIUS * view.scale >= 3.2;
  const busy = busyOf(scene);
  for (const { node } of scene.agents) {
    const chosen = node === focus.selected || node === focus.hovered;
    const wanted = scene.matches?.has(node) ?? false;
    if (!chosen && !wanted && !roomy) continue;
    const at = onScreen(view, node);
    if (!isSeen(ground, at, 40)) continue;
    const dim = isDim(node, scene, focus);
    if (dim && !roomy) continue;
    wishes.push({
      text: shortened(node.name || node.did),
      x: at.x,
      y: at.y + radius + 3,
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
