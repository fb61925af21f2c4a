// What part of the world is seen: screen = world × scale + offset, in CSS pixels.

export const SCALE_LEAST = 0.02;
export const SCALE_MOST = 12;
/** Of few nodes: they are to be large, not huge. */
const FIT_SCALE_MOST = 3.4;

export interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface View {
  scale: number;
  x: number;
  y: number;
}

export function clampScale(scale: number): number {
  return Math.min(SCALE_MOST, Math.max(SCALE_LEAST, scale));
}

/** Zooms by `factor` with the point of the screen that stays where it is. */
export function zoomed(view: View, factor: number, atX: number, atY: number): View {
  const scale = clampScale(view.scale * factor);
  const real = scale / view.scale;
  return { scale, x: atX - (atX - view.x) * real, y: atY - (atY - view.y) * real };
}

export function fitted(bounds: Bounds, width: number, height: number, margin: number): View {
  const wide = Math.max(1, bounds.right - bounds.left);
  const high = Math.max(1, bounds.bottom - bounds.top);
  const scale = clampScale(
    Math.min(
      FIT_SCALE_MOST,
      Math.max(1, width - 2 * margin) / wide,
      Math.max(1, height - 2 * margin) / high,
    ),
  );
  return {
    scale,
    x: width / 2 - ((bounds.left + bounds.right) / 2) * scale,
    y: height / 2 - ((bounds.top + bounds.bottom) / 2) * scale,
  };
}

/** Centres a point of the world, no nearer and no farther than is needed to see it well. */
export function centred(view: View, x: number, y: number, width: number, height: number): View {
  const scale = Math.min(SCALE_MOST, Math.max(view.scale, 1.2));
  return { scale, x: width / 2 - x * scale, y: height / 2 - y * scale };
}

/** Between two views, `part` of the way: zooming by equal factors looks even. */
export function between(from: View, to: View, part: number): View {
  const scale = from.scale * Math.pow(to.scale / from.scale, part);
  const span = to.scale - from.scale;
  // The part of the way that keeps straight what both views show of a point.
  const along = Math.abs(span) < 1e-9 ? part : (scale - from.scale) / span;
  return { scale, x: from.x + (to.x - from.x) * along, y: from.y + (to.y - from.y) * along };
}
