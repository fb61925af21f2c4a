// Agents as small pictures, one for each way to look, drawn once: a state has a colour and a shape, so
// that it can be told without colours.
import type { Palette } from "./palette";

export const SHAPES = [
  "running",
  "asleep",
  "remote",
  "waiting",
  "paused",
  "failing",
  "failed",
  "stopped",
] as const;
export type Shape = (typeof SHAPES)[number];

export const SHAPE_WORDS: { readonly [shape in Shape]: string } = {
  running: "running",
  asleep: "asleep: it wakes with its next message",
  remote: "of another host",
  waiting: "starting, or held with its host",
  paused: "paused by the operator",
  failing: "failing: its handlers raise",
  failed: "failed: parked until someone looks",
  stopped: "stopped",
};

const BY_STATUS: { readonly [status: string]: Shape } = {
  running: "running",
  asleep: "asleep",
  held: "waiting",
  starting: "waiting",
  paused: "paused",
  failing: "failing",
  parked: "failed",
  failed: "failed",
  stopped: "stopped",
};

export function shapeOf(status: string, here: boolean): Shape {
  const shape = Object.hasOwn(BY_STATUS, status) ? BY_STATUS[status] : undefined;
  if (!here && (shape === undefined || shape === "running")) return "remote";
  return shape ?? "running";
}

/** Colour of what tells the shape. */
export function shapeColor(shape: Shape, palette: Palette): string {
  switch (shape) {
    case "running":
      return palette.good;
    case "remote":
      return palette.accent;
    case "waiting":
    case "paused":
      return palette.wait;
    case "failing":
    case "failed":
      return palette.bad;
    default:
      return palette.idle;
  }
}

type Canvas2D = CanvasRenderingContext2D;

/** Around (0, 0), with the radius that an agent has on the screen. */
export function paintShape(
  context: Canvas2D,
  shape: Shape,
  radius: number,
  palette: Palette,
): void {
  const color = shapeColor(shape, palette);
  context.fillStyle = color;
  context.strokeStyle = color;
  context.lineWidth = Math.max(1, radius * 0.28);
  context.setLineDash([]);
  const inside = radius - context.lineWidth / 2;
  context.beginPath();
  switch (shape) {
    case "running":
      context.arc(0, 0, radius, 0, 2 * Math.PI);
      context.fill();
      return;
    case "asleep":
      context.lineWidth = Math.max(1, radius * 0.2);
      context.arc(0, 0, inside, 0, 2 * Math.PI);
      context.fillStyle = palette.surface;
      context.fill();
      context.stroke();
      return;
    case "remote":
      context.arc(0, 0, inside, 0, 2 * Math.PI);
      context.fillStyle = palette.surface;
      context.fill();
      context.stroke();
      if (radius < 4) return;
      context.beginPath();
      context.arc(0, 0, radius * 0.38, 0, 2 * Math.PI);
      context.fillStyle = color;
      context.fill();
      return;
    case "waiting":
      if (radius >= 4) context.setLineDash([radius * 0.62, radius * 0.42]);
      context.arc(0, 0, inside, 0, 2 * Math.PI);
      context.fillStyle = palette.surface;
      context.fill();
      context.stroke();
      context.setLineDash([]);
      return;
    case "paused":
      context.arc(0, 0, radius, 0, 2 * Math.PI);
      context.fill();
      context.fillStyle = palette.surface;
      context.fillRect(-radius * 0.42, -radius * 0.5, radius * 0.28, radius);
      context.fillRect(radius * 0.14, -radius * 0.5, radius * 0.28, radius);
      return;
    case "failing":
      context.moveTo(0, -radius * 1.2);
      context.lineTo(radius * 1.2, radius * 0.9);
      context.lineTo(-radius * 1.2, radius * 0.9);
      context.fill();
      return;
    case "failed":
      paintDiamond(context, radius * 1.25);
      context.fill();
      if (radius < 4) return;
      context.fillStyle = palette.surface;
      context.fillRect(-radius * 0.12, -radius * 0.6, radius * 0.24, radius * 0.7);
      context.fillRect(-radius * 0.12, radius * 0.25, radius * 0.24, radius * 0.24);
      return;
    case "stopped": {
      const half = radius * 0.6;
      context.moveTo(-half, -half);
      context.lineTo(half, half);
      context.moveTo(half, -half);
      context.lineTo(-half, half);
      context.stroke();
    }
  }
}

function paintDiamond(context: Canvas2D, radius: number): void {
  context.moveTo(0, -radius);
  context.lineTo(radius, 0);
  context.lineTo(0, radius);
  context.lineTo(-radius, 0);
  context.closePath();
}

export interface Sprite {
  canvas: HTMLCanvasElement;
  /** Half of its size, in CSS pixels: what is to be left and above of the centre. */
  half: number;
}

/** Sprites of the radius that all agents have at a scale, and of pulses. */
export class Sprites {
  private readonly made = new Map<string, Sprite>();

  constructor(
    private palette: Palette,
    private pixels: number,
  ) {}

  reset(palette: Palette, pixels: number): void {
    this.palette = palette;
    this.pixels = pixels;
    this.made.clear();
  }

  agent(shape: Shape, radius: number): Sprite {
    const size = Math.round(radius * 4) / 4;
    return this.take(`${shape} ${size}`, size * 1.3 + 3, (context) => {
      // A rim of the ground's colour keeps it apart from the lines beneath.
      context.beginPath();
      context.arc(0, 0, size + 1, 0, 2 * Math.PI);
      context.fillStyle = this.palette.surface;
      context.fill();
      paintShape(context, shape, size, this.palette);
    });
  }

  pulse(color: string, radius: number): Sprite {
    return this.take(`pulse ${color} ${radius}`, radius + 2, (context) => {
      context.beginPath();
      context.arc(0, 0, radius + 1, 0, 2 * Math.PI);
      context.fillStyle = this.palette.surface;
      context.fill();
      context.beginPath();
      context.arc(0, 0, radius, 0, 2 * Math.PI);
      context.fillStyle = color;
      context.fill();
    });
  }

  private take(key: string, half: number, paint: (context: Canvas2D) => void): Sprite {
    let sprite = this.made.get(key);
    if (sprite) return sprite;
    if (this.made.size > 400) this.made.clear(); // every zoom step brings sizes of its own
    const canvas = document.createElement("canvas");
    const side = Math.ceil(2 * half * this.pixels);
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    if (context) {
      context.setTransform(this.pixels, 0, 0, this.pixels, side / 2, side / 2);
      paint(context);
    }
    sprite = { canvas, half: side / this.pixels / 2 };
    this.made.set(key, sprite);
    return sprite;
  }
}
