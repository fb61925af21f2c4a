// Arranges the agents within their discs by who speaks with whom: d3's forces, in slices so short that
// frames go on between them. Nothing is seen of the way: the end is where nodes then glide to. It runs once,
// when the first traffic is known, and whenever someone asks for it; never by itself afterwards.
import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type SimulationNodeDatum,
} from "d3-force";
import { AGENT_RADIUS, type Disc } from "./layout";
import type { Node, Tie } from "./model";

const ROUNDS = 140;
const ALPHA_LEAST = 0.003;

interface Body extends SimulationNodeDatum {
  x: number;
  y: number;
  readonly node: Node;
  readonly disc: Disc;
  /** Where its disc was in the beginning: that may move meanwhile, with its agents. */
  readonly originX: number;
  readonly originY: number;
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
  const bodies: Body[] = [];
  const bodyOf = new Map<Node, Body>();
  for (const disc of discs) {
    for (const node of disc.agents) {
      const { x: originX, y: originY } = disc;
      const body: Body = { x: node.toX, y: node.toY, node, disc, originX, originY };
      bodies.push(body);
      bodyOf.set(node, body);
    }
  }
  // One line for both directions; ends that are not agents pull at nothing.
  const lines = new Map<string, { source: Body; target: Body; messages: number }>();
  for (const tie of ties) {
    const source = bodyOf.get(tie.from);
    const target = bodyOf.get(tie.to);
    if (!source || !target || source === target) continue;
    const key = [tie.from.key, tie.to.key].sort().join("\n");
    const line = lines.get(key);
    if (line) line.messages += tie.count;
    else lines.set(key, { source, target, messages: tie.count });
  }
  const degree = new Map<Body, number>();
  for (const { source, target } of lines.values()) {
    degree.set(source, (degree.get(source) ?? 0) + 1);
    degree.set(target, (degree.get(target) ?? 0) + 1);
  }
  const simulation = forceSimulation(bodies)
    .randomSource(lcg())
    .alphaDecay(1 - Math.pow(ALPHA_LEAST, 1 / ROUNDS))
    .velocityDecay(0.45)
    .force("apart", forceManyBody<Body>().strength(-26).theta(1.1).distanceMax(160))
    .force("inwards x", forceX<Body>((body) => body.originX).strength(pull))
    .force("inwards y", forceY<Body>((body) => body.originY).strength(pull))
    .force("room", forceCollide<Body>(AGENT_RADIUS + 5.5).strength(0.9))
    .force(
      "lines",
      forceLink<Body, { source: Body; target: Body; messages: number }>([...lines.values()])
        .distance((line) => (line.source.disc === line.target.disc ? 34 : 60))
        .strength((line) => {
          const least = Math.min(degree.get(line.source) ?? 1, degree.get(line.target) ?? 1);
          return (line.source.disc === line.target.disc ? 0.5 : 0.03) / least;
        }),
    )
    .stop();

  let round = 0;
  return {
    step(budget_ms) {
      const until = now() + budget_ms;
      do {
        simulation.tick();
        for (const body of bodies) contain(body);
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

/** Towards the middle: as much as leaves a disc of any size well filled. */
function pull({ disc }: Body): number {
  return Math.min(0.05, 5 / disc.radius);
}

/** Nobody leaves the disc of its host; whoever nears the rim is turned inwards. */
function contain(body: Body): void {
  const dx = body.x - body.originX;
  const dy = body.y - body.originY;
  const far = Math.hypot(dx, dy);
  const most = body.disc.radius - AGENT_RADIUS - 7;
  if (far <= most || far === 0) return;
  body.x = body.originX + (dx / far) * most;
  body.y = body.originY + (dy / far) * most;
}

/** The same network gives the same picture. */
function lcg(): () => number {
  let state = 1;
  return () => (state = (1664525 * state + 1013904223) % 4294967296) / 4294967296;
}
