// The way of a tie on the screen: a slight bow to the right of its direction, so that the two directions
// between a pair are two lines; straight where there are too many to tell them apart.

export interface Point {
  x: number;
  y: number;
}

export interface Way {
  from: Point;
  /** The control point of a quadratic curve; of a straight way its middle. */
  over: Point;
  to: Point;
}

const BEND = 0.13;

export function wayBetween(from: Point, to: Point, bent: boolean): Way {
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  if (!bent) return { from, over: middle, to };
  return {
    from,
    over: { x: middle.x - (to.y - from.y) * BEND, y: middle.y + (to.x - from.x) * BEND },
    to,
  };
}

export function alongWay(way: Way, part: number): Point {
  const rest = 1 - part;
  const a = rest * rest;
  const b = 2 * rest * part;
  const c = part * part;
  return {
    x: a * way.from.x + b * way.over.x + c * way.to.x,
    y: a * way.from.y + b * way.over.y + c * way.to.y,
  };
}

export function distanceToWay(way: Way, point: Point): number {
  let least = Infinity;
  let before = way.from;
  for (let i = 1; i <= 8; i++) {
    const next = alongWay(way, i / 8);
    least = Math.min(least, distanceToLine(before, next, point));
    before = next;
  }
  return least;
}

function distanceToLine(a: Point, b: Point, point: Point): number {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length = dx * dx + dy * dy;
  const along = length > 0 ? ((point.x - a.x) * dx + (point.y - a.y) * dy) / length : 0;
  const part = Math.min(1, Math.max(0, along));
  return Math.hypot(point.x - a.x - dx * part, point.y - a.y - dy * part);
}
