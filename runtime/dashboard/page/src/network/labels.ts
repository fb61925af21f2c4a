// Names beside nodes. Those that matter more are put first; who finds no room has none, until the view is
// nearer. Each is drawn once, with a halo, and copied from then on.
import { visible } from "../ui/text";
import type { Palette } from "./palette";

export interface Wish {
  text: string;
  /** The middle of its upper edge. */
  x: number;
  y: number;
  /** The same of where it may be instead. */
  above?: number;
  /** Larger ones are put first. */
  weight: number;
  bold: boolean;
  dim: boolean;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const CHARACTERS_MAX = 26;
const KEPT_MAX = 600;
const CELL = 64;

export function shortened(text: string): string {
  const shown = visible(text);
  const characters = Array.from(shown);
  return characters.length > CHARACTERS_MAX
    ? `${characters.slice(0, CHARACTERS_MAX - 1).join("")}…`
    : shown;
}

/** Which of them fit, none over another. `width` measures. */
export function chosen(
  wishes: Wish[],
  width: (wish: Wish) => number,
  height: number,
  most: number,
): Wish[] {
  wishes.sort((a, b) => b.weight - a.weight);
  const cells = new Map<number, Box[]>();
  const put: Wish[] = [];
  let refused = 0;
  for (const wish of wishes) {
    if (put.length >= most || refused > most * 6) break;
    const half = width(wish) / 2 + 3;
    const at = [wish.y, wish.above].find(
      (top) =>
        top !== undefined &&
        claim(cells, { left: wish.x - half, top, right: wish.x + half, bottom: top + height }),
    );
    if (at !== undefined) put.push({ ...wish, y: at });
    else refused++;
  }
  return put;
}

function claim(cells: Map<number, Box[]>, box: Box): boolean {
  const touched: Box[][] = [];
  for (let i = Math.floor(box.left / CELL); i <= Math.floor(box.right / CELL); i++) {
    for (let j = Math.floor(box.top / CELL); j <= Math.floor(box.bottom / CELL); j++) {
      let cell = cells.get(i * 4099 + j);
      if (!cell) cells.set(i * 4099 + j, (cell = []));
      for (const other of cell) {
        if (
          box.left < other.right &&
          other.left < box.right &&
          box.top < other.bottom &&
          other.top < box.bottom
        ) {
          return false;
        }
      }
      touched.push(cell);
    }
  }
  for (const cell of touched) cell.push(box);
  return true;
}

interface Picture {
  canvas: HTMLCanvasElement;
  width: number;
}

export class Labels {
  static readonly HEIGHT = 16;
  private readonly pictures = new Map<string, Picture>();
  private readonly widths = new Map<string, number>();
  private readonly ruler = document.createElement("canvas").getContext("2d");

  constructor(
    private palette: Palette,
    private pixels: number,
    private font: string,
  ) {}

  reset(palette: Palette, pixels: number): void {
    this.palette = palette;
    this.pixels = pixels;
    this.pictures.clear();
  }

  paint(context: CanvasRenderingContext2D, wishes: Wish[], most: number): void {
    for (const wish of chosen(wishes, (one) => this.width(one), Labels.HEIGHT, most)) {
      const picture = this.picture(wish);
      context.globalAlpha = wish.dim ? 0.35 : 1;
      const left = Math.round((wish.x - picture.width / 2) * this.pixels) / this.pixels;
      const top = Math.round(wish.y * this.pixels) / this.pixels;
      context.drawImage(picture.canvas, left, top, picture.width, Labels.HEIGHT);
    }
    context.globalAlpha = 1;
  }

  private fontOf(bold: boolean): string {
    return `${bold ? "600 13px" : "12px"} ${this.font}`;
  }

  private width(wish: Wish): number {
    const key = `${wish.bold ? "b" : "n"}${wish.text}`;
    let width = this.widths.get(key);
    if (width === undefined) {
      if (this.widths.size > 20_000) this.widths.clear();
      if (this.ruler) this.ruler.font = this.fontOf(wish.bold);
      width = this.ruler?.measureText(wish.text).width ?? 0;
      this.widths.set(key, width);
    }
    return width;
  }

  private picture(wish: Wish): Picture {
    const key = `${wish.bold ? "b" : "n"}${wish.text}`;
    const found = this.pictures.get(key);
    if (found) return found;
    if (this.pictures.size > KEPT_MAX) this.pictures.clear();
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil((this.width(wish) + 8) * this.pixels);
    canvas.height = Labels.HEIGHT * this.pixels;
    const picture = { canvas, width: canvas.width / this.pixels };
    const context = canvas.getContext("2d");
    if (context) {
      context.scale(this.pixels, this.pixels);
      context.font = this.fontOf(wish.bold);
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.lineJoin = "round";
      context.lineWidth = 3;
      context.strokeStyle = this.palette.surface;
      context.globalAlpha = 0.85;
      context.strokeText(wish.text, picture.width / 2, Labels.HEIGHT / 2);
      context.globalAlpha = 1;
      context.fillStyle = wish.bold ? this.palette.text : this.palette.muted;
      context.fillText(wish.text, picture.width / 2, Labels.HEIGHT / 2);
    }
    this.pictures.set(key, picture);
    return picture;
  }
}
