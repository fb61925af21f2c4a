// What is under the pointer. A few thousand distances take some 50 µs: no index is worth keeping in step.
import type { View } from "./camera";
import { agentRadius, isBent, onScreen } from "./drawing";
import { distanceToWay, wayBetween, type Point } from "./geometry";
import type { Node, Tie } from "./model";
import type { Scene } from "./scene";

const NEAR_PIXELS = 7;
const TIE_PIXELS = 6;
/** Beyond this many ties none of them can be meant. */
const TIES_MAX = 1_500;

export interface Hit {
  node?: Node;
  tie?: Tie;
}

export function hitAt(scene: Scene, view: View, x: number, y: number): Hit {
  const point = { x, y };
  const agent = nearestAgent(scene, view, point);
  if (agent) return { node: agent };
  const tie = nearestTie(scene, view, point);
  if (tie) return { tie };
  for (const disc of scene.discs) {
    if (!disc.host) continue;
    const at = onScreen(view, disc.host);
    if (Math.hypot(at.x - x, at.y - y) <= disc.radius * view.scale) return { node: disc.host };
  }
  return {};
}

function nearestAgent(scene: Scene, view: View, point: Point): Node | undefined {
  let least = agentRadius(view.scale) + NEAR_PIXELS;
  let nearest: Node | undefined;
  for (const { node } of scene.agents) {
    const at = onScreen(view, node);
    const far = Math.hypot(at.x - point.x, at.y - point.y);
    if (far < least) {
      least = far;
      nearest = node;
    }
  }
  return nearest;
}

function nearestTie(scene: Scene, view: View, point: Point): Tie | undefined {
  if (scene.traffic.ties.length > TIES_MAX) return undefined;
  const bent = isBent(scene);
  let least = TIE_PIXELS;
  let nearest: Tie | undefined;
  for (const tie of scene.traffic.ties) {
    const way = wayBetween(onScreen(view, tie.from), onScreen(view, tie.to), bent);
    const far = distanceToWay(way, point);
    if (far < least) {
      least = far;
      nearest = tie;
    }
  }
  return nearest;
}
