// Arranges the agents within their discs by who speaks with whom, in slices so short that frames go on between
// them. Nothing is seen of the way: the end is where nodes then glide to. It runs once, when the first traffic is
// known, and whenever someone asks for it; never by itself afterwards.
//
// The usual forces (those of d3-force), but for one thing: nobody pushes farther than REACH, because discs hold
// everyone together anyway. So a grid of cells of that size finds all pairs that matter.
import { AGENT_RADIUS, type Disc } from "./layout";
import type { Node, Tie } from "./model";

const ROUNDS = 140;
const ALPHA_LEAST = 0.003;
const SLOWED = 0.55; // what is left of a velocity after a round
const REACH = 110;
const PUSH = 26;
const ROOM = 2 * (AGENT_RADIUS + 5.5);
/** How long ties want to be, and how strongly: within a disc, and from one to another. */
const NEAR = { length: 34, strength: 0.5 };
const FAR = { length: 60, strength: 0.03 };

interface Body {
  x: number;
  y: number;
  vx: number;
  vy: number;
  readonly node: Node;
  readonly disc: Disc;
  /** Where its disc was in the beginning: that may move meanwhile, with its agents. */
  readonly originX: number;
  readonly originY: number;
  degree: number;
}

interface Line {
  a: Body;
  b: Body;
}

export interface Settling {
  /** Works for about so long; true: it is done, and the nodes know where to go. */
  step(budget_ms: number): boolean;
}

export function settle(
  discs: Iterable<Disc>,
  ties: readonly Tie[],
  now: () => number = () => performance.now(),
): Settling {
  const bodies = bodiesOf(discs);
  const lines = linesOf(bodies, ties);
  let round = 0;
  return {
    step(budget_ms) {
      const until = now() + budget_ms;
      do {
        const alpha = Math.pow(ALPHA_LEAST, round / ROUNDS);
        for (const line of lines) pullTogether(line, alpha);
        pushApart(bodies, alpha);
        for (const body of bodies) move(body, alpha);
        round++;
      } while (round < ROUNDS && now() < until);
      if (round < ROUNDS) return false;
      for (const { node, disc, x, y, originX, originY } of bodies) {
        if (node.host !== disc.host) continue;
        node.toX = x - originX + disc.x;
        node.toY = y - originY + disc.y;
      }
      return true;
    },
  };
}

function bodiesOf(discs: Iterable<Disc>): Body[] {
  const bodies: Body[] = [];
  for (const disc of discs) {
    const { x: originX, y: originY } = disc;
    for (const node of disc.agents) {
      const { toX: x, toY: y } = node;
      bodies.push({ x, y, vx: 0, vy: 0, node, disc, originX, originY, degree: 0 });
    }
  }
  return bodies;
}

/** One for both directions; ends that are not agents pull at nothing. */
function linesOf(bodies: readonly Body[], ties: readonly Tie[]): Line[] {
  const bodyOf = new Map(bodies.map((body) => [body.node, body]));
  const known = new Map<Body, Set<Body>>();
  const lines: Line[] = [];
  for (const tie of ties) {
    const a = bodyOf.get(tie.from);
    const b = bodyOf.get(tie.to);
    if (!a || !b || a === b || known.get(a)?.has(b) || known.get(b)?.has(a)) continue;
    known.set(a, (known.get(a) ?? new Set()).add(b));
    lines.push({ a, b });
    a.degree++;
    b.degree++;
  }
  return lines;
}

/** Whoever has more ties moves less. */
function pullTogether({ a, b }: Line, alpha: number): void {
  const want = a.disc === b.disc ? NEAR : FAR;
  const dx = b.x + b.vx - a.x - a.vx || 1e-3;
  const dy = b.y + b.vy - a.y - a.vy || 1e-3;
  const far = Math.hypot(dx, dy);
  const by = ((far - want.length) / far) * alpha * (want.strength / Math.min(a.degree, b.degree));
  const share = a.degree / (a.degree + b.degree);
  b.vx -= dx * by * share;
  b.vy -= dy * by * share;
  a.vx += dx * by * (1 - share);
  a.vy += dy * by * (1 - share);
}

function pushApart(bodies: readonly Body[], alpha: number): void {
  const cells = new Map<number, Body[]>();
  const cellOf = (x: number, y: number) => Math.floor(x / REACH) * 65_537 + Math.floor(y / REACH);
  for (const body of bodies) {
    // Each pair once: with those that are in the grid already.
    for (let i = -1; i <= 1; i++) {
      for (let j = -1; j <= 1; j++) {
        const others = cells.get(cellOf(body.x + i * REACH, body.y + j * REACH));
        if (others) for (const other of others) push(body, other, alpha);
      }
    }
    const own = cellOf(body.x, body.y);
    const cell = cells.get(own);
    if (cell) cell.push(body);
    else cells.set(own, [body]);
  }
}

/** Harder where two would touch. */
function push(a: Body, b: Body, alpha: number): void {
  let dx = b.x - a.x;
  const dy = b.y - a.y;
  let square = dx * dx + dy * dy;
  if (square >= REACH * REACH) return;
  if (square < 1) {
    dx += 1;
    square = 1;
  }
  let by = (PUSH * alpha) / square;
  if (square < ROOM * ROOM) {
    const far = Math.sqrt(square);
    by += (0.45 * (ROOM - far)) / far;
  }
  a.vx -= dx * by;
  a.vy -= dy * by;
  b.vx += dx * by;
  b.vy += dy * by;
}

/** Nobody leaves the disc of its host; all are drawn to its middle as much as leaves it well filled. */
function move(body: Body, alpha: number): void {
  const inwards = Math.min(0.05, 5 / body.disc.radius) * alpha;
  body.vx = (body.vx + (body.originX - body.x) * inwards) * SLOWED;
  body.vy = (body.vy + (body.originY - body.y) * inwards) * SLOWED;
  body.x += body.vx;
  body.y += body.vy;
  const dx = body.x - body.originX;
  const dy = body.y - body.originY;
  const far = Math.hypot(dx, dy);
  const most = body.disc.radius - AGENT_RADIUS - 7;
  if (far <= most || far === 0) return;
  body.x = body.originX + (dx / far) * most;
  body.y = body.originY + (dy / far) * most;
}
