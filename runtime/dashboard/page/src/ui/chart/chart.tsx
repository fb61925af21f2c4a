// Values over time, with the latest in the legend, or those of the instant that one points at: with the pointer, or
// by the arrow keys. All charts of a page point at the same instant.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { formatTime } from "../format";
import { dark } from "../theme";
import { draw, frameOf, timeAt, type Plot, type Series } from "./draw";
import { nearest } from "./scale";
import "./chart.css";

export type { Series } from "./draw";

interface ChartProps {
  /** Milliseconds, growing. */
  times: number[];
  series: Series[];
  format(value: number | null): string;
  /** What screen readers are told instead. */
  label: string;
  height?: number;
  /** Seconds that are shown at least. */
  least_s?: number;
}

const LEAST_S = 30;

/** The instant that somebody points at. */
const pointed = signal<number | null>(null);

export function Chart({
  times,
  series,
  format,
  label,
  height = 140,
  least_s = LEAST_S,
}: ChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const plot: Plot = { times, series, format, least_s };
  const latest = useRef(plot);
  latest.current = plot;
  const time = pointed.value;
  const index = time === null ? -1 : nearest(times, time);
  // Its colours are read while it is drawn.
  const isDark = dark.value;

  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, plot, index);
  }, [times, series, index, isDark]);

  useEffect(() => {
    const shown = canvas.current;
    if (shown === null) return undefined;
    const watcher = new ResizeObserver(() => draw(shown, latest.current, -1));
    watcher.observe(shown);
    return () => watcher.disconnect();
  }, []);

  const point = (event: PointerEvent) => {
    const shown = event.currentTarget as HTMLCanvasElement;
    const frame = frameOf(plot, shown.clientWidth, shown.clientHeight);
    pointed.value = times[nearest(times, timeAt(frame, event.offsetX))] ?? null;
  };

  const step = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const from = index < 0 ? times.length : index;
    pointed.value = times[Math.max(0, Math.min(times.length - 1, from + by))] ?? null;
  };

  const leave = () => (pointed.value = null);

  return (
    <figure class="chart">
      <canvas
        ref={canvas}
        style={{ height: `${height}px` }}
        role="img"
        aria-label={label}
        tabIndex={0}
        onPointerMove={point}
        onPointerLeave={leave}
        onKeyDown={step}
        onBlur={leave}
      />
      <figcaption>
        {series.map((one) => (
          <Key key={one.label} series={one} value={valueAt(one, index)} format={format} />
        ))}
        {time !== null && index >= 0 && <span>{formatTime(times[index], times.at(-1) ?? 0)}</span>}
      </figcaption>
    </figure>
  );
}

/** Without an index the latest that there is. */
function valueAt(series: Series, index: number): number | null {
  if (index >= 0) return series.values[index] ?? null;
  return series.values.findLast((value) => value !== null) ?? null;
}

function Key({
  series,
  value,
  format,
}: {
  series: Series;
  value: number | null;
  format(value: number | null): string;
}) {
  return (
    <span class="chart-key">
      <svg viewBox="0 0 14 8" width="14" height="8" aria-hidden="true">
        <path
          d={series.points === true ? "M7 4h0" : "M0 4h14"}
          style={{ stroke: `var(${series.color})` }}
          stroke-width={series.points === true ? 6 : 2}
          stroke-linecap={series.points === true ? "round" : "butt"}
          stroke-dasharray={series.dashed === true ? "4 3" : undefined}
        />
      </svg>
      {series.label} <b class="num">{format(value)}</b>
    </span>
  );
}
