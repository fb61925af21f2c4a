// Draws a chart onto a canvas.
import { tokenColor } from "../tones";
import { timeLabel, timeTicks, valueTicks } from "./scale";

export interface Series {
  label: string;
  /** A token of style/tokens.css: "--chart-1". */
  color: string;
  /** null where there is none. */
  values: (number | null)[];
  dashed?: boolean;
  /** Single points instead of a line. */
  points?: boolean;
}

export interface Plot {
  times: readonly number[];
  series: readonly Series[];
  format(value: number | null): string;
  /** Seconds that are shown at least: what is young is not stretched until its seconds look like minutes. */
  least_s: number;
}

/** Where on the canvas what is; `at` gives the x of a time. */
export interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
  from: number;
  to: number;
}

const FONT = "11px system-ui, -apple-system, sans-serif";
const TICK_PX = 36;
const TIME_PX = 84;
const DOT_PX = 2.2;
/** A second in which nothing was measured is passed over; a line over a longer time would tell of what was not. */
const JOIN_MS = 6000;

export function frameOf(plot: Plot, width: number, height: number): Frame {
  const to = plot.times.at(-1) ?? 0;
  const from = Math.min(plot.times[0] ?? 0, to - plot.least_s * 1000);
  return { left: 52, right: width - 10, top: 8, bottom: height - 20, from, to };
}

export function xOf(frame: Frame, time: number): number {
  return (
    frame.left +
    ((time - frame.from) / Math.max(1, frame.to - frame.from)) * (frame.right - frame.left)
  );
}

export function timeAt(frame: Frame, x: number): number {
  return (
    frame.from +
    ((x - frame.left) / Math.max(1, frame.right - frame.left)) * (frame.to - frame.from)
  );
}

/** `pointed` is the index of the instant that somebody points at, or -1. */
export function draw(canvas: HTMLCanvasElement, plot: Plot, pointed: number): void {
  const context = canvas.getContext("2d");
  const { clientWidth: width, clientHeight: height } = canvas;
  if (context === null || width === 0) return;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);

  const frame = frameOf(plot, width, height);
  const most = Math.max(0, ...plot.series.map((one) => highest(one.values)));
  const ticks = valueTicks(most, (frame.bottom - frame.top) / TICK_PX);
  const top = ticks.at(-1) ?? 1;
  const yOf = (value: number) => frame.bottom - (value / top) * (frame.bottom - frame.top);

  drawGrid(context, frame, ticks, yOf, plot.format);
  for (const one of plot.series) drawSeries(context, frame, plot.times, one, yOf);
  const time = plot.times[pointed];
  if (time !== undefined) drawPointed(context, frame, plot, pointed, xOf(frame, time), yOf);
}

function highest(values: readonly (number | null)[]): number {
  let most = 0;
  for (const value of values)
    if (value !== null && value > most && Number.isFinite(value)) most = value;
  return most;
}

function drawGrid(
  context: CanvasRenderingContext2D,
  frame: Frame,
  ticks: number[],
  yOf: (value: number) => number,
  format: Plot["format"],
): void {
  context.font = FONT;
  context.lineWidth = 1;
  context.strokeStyle = tokenColor("--line");
  context.fillStyle = tokenColor("--muted");
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.beginPath();
  for (const tick of ticks) {
    const y = Math.round(yOf(tick)) + 0.5;
    context.moveTo(frame.left, y);
    context.lineTo(frame.right, y);
    // Ticks are round: "50.0 ms" says no more than "50 ms".
    context.fillText(format(tick).replace(/\.0+(?=\D|$)/, ""), frame.left - 6, y);
  }
  context.stroke();
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  const { times, step_ms } = timeTicks(frame.from, frame.to, (frame.right - frame.left) / TIME_PX);
  for (const time of times) {
    // A label at the very edge would be cut.
    const x = Math.max(frame.left, Math.min(xOf(frame, time), frame.right - 16));
    context.fillText(timeLabel(time, step_ms), x, frame.bottom + 15);
  }
}

function drawSeries(
  context: CanvasRenderingContext2D,
  frame: Frame,
  times: readonly number[],
  series: Series,
  yOf: (value: number) => number,
): void {
  const color = tokenColor(series.color);
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.setLineDash(series.dashed === true ? [4, 3] : []);
  context.beginPath();
  let before: number | null = null;
  for (const [i, value] of series.values.entries()) {
    const time = times[i];
    if (value === null || time === undefined || !Number.isFinite(value)) continue;
    const x = xOf(frame, time);
    const y = yOf(value);
    const joined = before !== null && time - before <= JOIN_MS;
    if (series.points === true || (!joined && isAlone(times, series.values, i))) {
      context.moveTo(x + DOT_PX, y);
      context.arc(x, y, DOT_PX, 0, 7);
    } else if (joined) context.lineTo(x, y);
    else context.moveTo(x, y);
    before = time;
  }
  if (series.points === true) context.fill();
  else context.stroke();
  context.setLineDash([]);
}

/** Nothing follows that it could be joined with. */
function isAlone(
  times: readonly number[],
  values: readonly (number | null)[],
  at: number,
): boolean {
  const next = values.findIndex((value, i) => i > at && value !== null);
  return next < 0 || (times[next] ?? Infinity) - (times[at] ?? 0) > JOIN_MS;
}

function drawPointed(
  context: CanvasRenderingContext2D,
  frame: Frame,
  plot: Plot,
  index: number,
  x: number,
  yOf: (value: number) => number,
): void {
  context.strokeStyle = tokenColor("--muted");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(Math.round(x) + 0.5, frame.top);
  context.lineTo(Math.round(x) + 0.5, frame.bottom);
  context.stroke();
  for (const series of plot.series) {
    const value = series.values[index];
    if (value === null || value === undefined) continue;
    context.fillStyle = tokenColor(series.color);
    context.beginPath();
    context.arc(x, yOf(value), 3, 0, 7);
    context.fill();
  }
}
