// A number, and the line that it drew lately.
import type { ComponentChildren } from "preact";
import "./spark.css";

const WIDTH = 100;
const HEIGHT = 24;

/** A small line of the latest values, the newest at the right; it starts at zero unless `floor` is given. */
export function Sparkline({
  values,
  label,
  floor = 0,
  slots = values.length,
}: {
  values: number[];
  label: string;
  floor?: number;
  /** How many values the width is for: fewer begin further right. */
  slots?: number;
}) {
  const most = Math.max(...values, floor + Number.EPSILON);
  const step = WIDTH / Math.max(1, slots - 1);
  const from = WIDTH - (values.length - 1) * step;
  const y = (value: number) =>
    HEIGHT - 1.5 - ((value - floor) / (most - floor || 1)) * (HEIGHT - 3);
  const points = values.map((value, i) => `${(from + i * step).toFixed(1)},${y(value).toFixed(1)}`);
  const line = points.join(" ");
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {points.length > 1 && (
        <>
          <polygon
            class="spark-area"
            points={`${from.toFixed(1)},${HEIGHT} ${line} ${WIDTH},${HEIGHT}`}
          />
          <polyline class="spark-line" points={line} vector-effect="non-scaling-stroke" />
        </>
      )}
    </svg>
  );
}

export function Stat({
  label,
  children,
  note,
  spark,
  slots,
  tone,
  href,
  title,
}: {
  label: string;
  children: ComponentChildren;
  note?: ComponentChildren;
  spark?: number[];
  slots?: number;
  tone?: "bad" | "wait";
  href?: string;
  title?: string;
}) {
  const inner = (
    <>
      <span class="stat-label">{label}</span>
      <span class={`stat-value num ${tone ?? ""}`}>{children}</span>
      {note !== undefined && <span class="stat-note muted num">{note}</span>}
      {spark !== undefined && (
        <Sparkline values={spark} label={`${label}, recent values`} slots={slots ?? spark.length} />
      )}
    </>
  );
  return href === undefined ? (
    <div class="stat" title={title}>
      {inner}
    </div>
  ) : (
    <a class="stat" href={href} title={title}>
      {inner}
    </a>
  );
}
