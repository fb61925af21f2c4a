// Where things are: each host is a disc, its agents have seats inside. Pure, and calm: whoever has a place
// keeps it. New hosts are put beside the others, new agents on free seats near those they speak with. A disc
// grows in large steps, and only then do its neighbours make room.
import type { Node } from "./model";

/** Units of the world: the radius of an agent, and how far apart two seats are. */
export const AGENT_RADIUS = 5;
export const SEAT_APART = 22;

const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));
const SEAT_STEP = SEAT_APART / 1.7; // of a sunflower whose seeds are never closer than SEAT_APART
const DISC_MARGIN = 16;
const DISC_GAP = 34;
const SPREAD_X = 1.3; // screens are wider than high

export interface Disc {
  /** Undefined: of the agents whose host is not known. */
  readonly host: Node | undefined;
  x: number;
  y: number;
  radius: number;
  /** Seats. */
  capacity: number;
  agents: Node[];
}

/** Seats of a disc, as offsets from its centre, innermost first. */
export function seat(index: number): { x: number; y: number } {
  const radius = SEAT_STEP * Math.sqrt(index + 0.3);
  const angle = index * GOLDEN_ANGLE;
  return { x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
}

function radiusOf(capacity: number): number {
  return DISC_MARGIN + (capacity > 0 ? SEAT_STEP * Math.sqrt(capacity - 0.7) : 0) + 4;
}

/** A quarter of free seats, so that a few more agents change nothing for the others. */
function capacityFor(count: number): number {
  return count <= 1 ? count : Math.ceil(count * 1.25) + 1;
}

export class Layout {
  readonly discs = new Map<Node | undefined, Disc>();
  /** Agents that have a seat. Who is gone gives it up, and is asked again on its return. */
  private seated = new Set<Node>();

  /** Gives each of `nodes`, those that are to be seen, its place. True: something was moved or put. */
  update(nodes: Iterable<Node>): boolean {
    const hosts: Node[] = [];
    const byHost = new Map<Node | undefined, Node[]>();
    for (const node of nodes) {
      if (node.kind === "host") hosts.push(node);
      else push(byHost, node.host, node);
    }
    const present = new Set<Node | undefined>(hosts);
    for (const host of byHost.keys()) present.add(host);
    let changed = false;
    for (const host of [...this.discs.keys()]) {
      if (present.has(host)) continue;
      this.discs.delete(host);
      if (host) host.placed = false;
      changed = true;
    }
    const fresh: Disc[] = [];
    const grown: Disc[] = [];
    for (const host of present) {
      const agents = byHost.get(host) ?? [];
      let disc = this.discs.get(host);
      if (!disc) {
        disc = { host, x: 0, y: 0, radius: 0, capacity: 0, agents };
        fresh.push(disc);
      } else if (agents.length > disc.capacity) {
        grown.push(disc);
      }
      disc.agents = agents;
      if (agents.length > disc.capacity || disc.radius === 0) {
        disc.capacity = capacityFor(agents.length);
        disc.radius = radiusOf(disc.capacity);
      }
    }
    if (grown.length > 0) this.makeRoom();
    this.putDiscs(fresh);
    const seated = new Set<Node>();
    for (const disc of this.discs.values()) {
      changed = putAgents(disc, this.seated) || changed;
      for (const node of disc.agents) seated.add(node);
    }
    this.seated = seated;
    return changed || grown.length > 0;
  }

  /** Large discs first, each as near to the middle as it fits; the host of this page is in the middle. */
  private putDiscs(fresh: Disc[]): void {
    fresh.sort(
      (a, b) =>
        Number(b.host?.here ?? false) - Number(a.host?.here ?? false) ||
        b.radius - a.radius ||
        (a.host?.key ?? "").localeCompare(b.host?.key ?? ""),
    );
    let from = 0;
    let radius = Infinity;
    for (const disc of fresh) {
      // What a disc of this size has tried in vain is in vain for the next one.
      if (disc.radius < radius) from = 0;
      radius = disc.radius;
      const placed = [...this.discs.values()];
      const step = Math.max(6, disc.radius / 4);
      for (let i = from; ; i++) {
        const distance = step * Math.sqrt(i);
        disc.x = SPREAD_X * distance * Math.cos(i * GOLDEN_ANGLE);
        disc.y = distance * Math.sin(i * GOLDEN_ANGLE);
        from = i;
        if (placed.every((other) => apart(disc, other) >= 0)) break;
      }
      this.discs.set(disc.host, disc);
      if (disc.host) put(disc.host, disc.x, disc.y);
    }
  }

  /** Pushes discs that overlap out of each other; that of this page's host stays. */
  private makeRoom(): void {
    const discs = [...this.discs.values()];
    for (let round = 0; round < 200; round++) {
      let overlap = false;
      for (let i = 0; i < discs.length; i++) {
        for (let j = i + 1; j < discs.length; j++) {
          const a = discs[i]!;
          const b = discs[j]!;
          const gap = apart(a, b);
          if (gap > -0.5) continue;
          overlap = true;
          const angle = a.x === b.x && a.y === b.y ? i + j : Math.atan2(b.y - a.y, b.x - a.x);
          const share = a.host?.here ? 0 : b.host?.here ? 1 : 0.5;
          shift(a, gap * share * Math.cos(angle), gap * share * Math.sin(angle));
          shift(b, -gap * (1 - share) * Math.cos(angle), -gap * (1 - share) * Math.sin(angle));
        }
      }
      if (!overlap) return;
    }
  }
}

/** How much room is between two discs, beyond the gap that they keep. */
function apart(a: Disc, b: Disc): number {
  return Math.hypot(a.x - b.x, a.y - b.y) - a.radius - b.radius - DISC_GAP;
}

function shift(disc: Disc, x: number, y: number): void {
  disc.x += x;
  disc.y += y;
  if (disc.host) put(disc.host, disc.x, disc.y);
  for (const node of disc.agents) {
    if (!node.placed) continue;
    node.toX += x;
    node.toY += y;
  }
}

function put(node: Node, x: number, y: number): void {
  node.toX = x;
  node.toY = y;
  if (!node.placed) {
    node.x = x;
    node.y = y;
  }
  node.placed = true;
}

/** Free seats for those that have none, the nearest to whom they speak with, else the innermost. */
function putAgents(disc: Disc, seated: ReadonlySet<Node>): boolean {
  const fresh = disc.agents.filter((node) => !seated.has(node));
  if (fresh.length === 0) return false;
  fresh.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const taken = new Grid(SEAT_APART * 0.8);
  for (const node of disc.agents) if (seated.has(node)) taken.add(node.toX, node.toY);
  const seekers = fresh.filter((node) => {
    const back = node.placed && isWithin(disc, node) && taken.free(node.toX, node.toY);
    if (back) taken.add(node.toX, node.toY);
    else node.placed = false;
    return !back;
  });
  const seats = freeSeats(disc, taken);
  const few = seekers.length <= 64; // of many at once each would look through all seats
  for (const node of seekers) {
    const wish = few ? middleOfPartners(node) : undefined;
    let best = 0;
    if (wish) {
      const far = seats.map((place) => Math.hypot(place.x - wish.x, place.y - wish.y));
      best = Math.max(0, far.indexOf(Math.min(...far)));
    }
    const place = seats.splice(best, 1)[0] ?? somewhere(disc, node);
    put(node, place.x, place.y);
  }
  return true;
}

function freeSeats(disc: Disc, taken: Grid): { x: number; y: number }[] {
  const seats: { x: number; y: number }[] = [];
  for (let i = 0; i < disc.capacity; i++) {
    const offset = seat(i);
    const place = { x: disc.x + offset.x, y: disc.y + offset.y };
    if (taken.free(place.x, place.y)) seats.push(place);
  }
  return seats;
}

function isWithin(disc: Disc, node: Node): boolean {
  return Math.hypot(node.toX - disc.x, node.toY - disc.y) <= disc.radius - AGENT_RADIUS;
}

/** After the agents of a disc were moved, its seats may all be partly covered. */
function somewhere(disc: Disc, node: Node): { x: number; y: number } {
  let hash = 0;
  for (const letter of node.key) hash = (hash * 31 + letter.charCodeAt(0)) | 0;
  const radius = (disc.radius - DISC_MARGIN) * Math.sqrt((hash >>> 8) / 0xffffff);
  return { x: disc.x + radius * Math.cos(hash), y: disc.y + radius * Math.sin(hash) };
}

function middleOfPartners(node: Node): { x: number; y: number } | undefined {
  let x = 0;
  let y = 0;
  let count = 0;
  for (const other of node.ties.keys()) {
    if (!other.placed || other === node) continue;
    x += other.toX;
    y += other.toY;
    count++;
  }
  return count > 0 ? { x: x / count, y: y / count } : undefined;
}

/** Points, to be asked whether one is near. */
class Grid {
  private readonly cells = new Map<number, { x: number; y: number }[]>();

  constructor(private readonly apart: number) {}

  add(x: number, y: number): void {
    push(this.cells, this.cell(x, y, 0, 0), { x, y });
  }

  free(x: number, y: number): boolean {
    for (let i = -1; i <= 1; i++) {
      for (let j = -1; j <= 1; j++) {
        for (const point of this.cells.get(this.cell(x, y, i, j)) ?? []) {
          if (Math.hypot(point.x - x, point.y - y) < this.apart) return false;
        }
      }
    }
    return true;
  }

  private cell(x: number, y: number, i: number, j: number): number {
    return (Math.floor(x / this.apart) + i) * 65_537 + Math.floor(y / this.apart) + j;
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
