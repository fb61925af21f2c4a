// Lines over time, drawn by uPlot. All charts of a view share a cursor: the same instant in each.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "./chart.css";
import { dark } from "./theme";
import { tokenColor } from "./tones";

export interface Series {
  label: string;
  /** A token of style/tokens.css: "--chart-1". */
  color: string;
  values: (number | null)[];
  dashed?: boolean;
}

interface ChartProps {
  /** Milliseconds, growing. */
  times: number[];
  series: Series[];
  format(value: number | null): string;
  height?: number;
  /** What screen readers are told instead. */
  label: string;
}

const FONT = "11px system-ui, sans-serif";

export function Chart({ times, series, format, height = 160, label }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const isDark = dark.value;
  const shape = series.map((one) => `${one.label} ${one.color} ${one.dashed}`).join();

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const made = new uPlot(
      options(element.clientWidth, height, series, format),
      dataOf(times, series),
      element,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height });
    });
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
    };
    // Colours are read when it is made.
  }, [shape, height, isDark]);

  useEffect(() => plot.current?.setData(dataOf(times, series)), [times, series]);

  return <div class="chart" ref={place} role="img" aria-label={label} />;
}

function dataOf(times: number[], series: Series[]): uPlot.AlignedData {
  return [times.map((time) => time / 1000), ...series.map((one) => one.values)];
}

function options(
  width: number,
  height: number,
  series: Series[],
  format: (value: number | null) => string,
): uPlot.Options {
  const axis = {
    stroke: tokenColor("--muted"),
    font: FONT,
    grid: { stroke: tokenColor("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    cursor: { sync: { key: "haggle" }, points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { ...axis, space: 70, values: (_plot, splits) => splits.map(clockOf) },
      {
        ...axis,
        size: 56,
        space: 32,
        values: (_plot, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [
      { label: "Time", value: (_plot, value) => (value === null ? "" : clockOf(value)) },
      ...series.map((one) => ({
        label: one.label,
        stroke: tokenColor(one.color),
        width: 1.5,
        points: { show: false },
        ...(one.dashed === true ? { dash: [4, 3] } : {}),
        value: (_plot: uPlot, value: number | null) => format(value),
      })),
    ],
  };
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

function clockOf(seconds: number): string {
  return clock.format(new Date(seconds * 1000));
}
