// The recent past: a chart of the traffic, and the instant that is shown, to be drawn along it.
import { useEffect, useRef } from "preact/hooks";
import { formatNumber, formatSpan, formatTime, tokenColor } from "../../ui";
import { dark } from "../../ui/theme";
import type { Watch } from "../watch";

const SPEEDS = [1, 4, 16];
const BAR_PIXELS = 4;
const BAR_WIDTHS = [1, 2, 5, 10, 15, 30, 60].map((seconds) => seconds * 1000);
/** Less than this is not worth the whole width. */
const SPAN_LEAST_MS = 60_000;
const STEP_MS = 1_000;

export function Timeline({ watch }: { watch: Watch }) {
  const { start, end } = watch.range.value;
  const from = Math.min(start, end - SPAN_LEAST_MS);
  const at = watch.at.value;
  const live = watch.live.value;
  const playing = watch.playing.value;
  const behind = Math.max(0, end - at);
  return (
    <div class="net-time" role="group" aria-label="Time">
      <button
        class="button small"
        type="button"
        disabled={end <= start}
        onClick={() => (playing ? watch.pause() : watch.play())}
      >
        {playing ? "Pause" : live ? "Replay" : "Play"}
      </button>
      <label class="net-speed">
        <span class="sr">Speed of playing</span>
        <select
          class="field"
          value={watch.speed.value}
          onChange={(event) => (watch.speed.value = Number(event.currentTarget.value))}
        >
          {SPEEDS.map((speed) => (
            <option key={speed} value={speed}>{`${speed}×`}</option>
          ))}
        </select>
      </label>
      <div class="net-strip">
        <Strip watch={watch} from={from} to={end} at={at} />
        <input
          type="range"
          aria-label="The instant shown"
          aria-valuetext={live ? "now" : `${formatSpan(behind)} ago`}
          min={from}
          max={end}
          step={STEP_MS}
          value={live ? end : at}
          onInput={(event) => {
            const time = Number(event.currentTarget.value);
            // A step back from now is less than a whole one: the steps are counted from the other end.
            if (time >= (live ? end : end - STEP_MS)) watch.goLive();
            else watch.goTo(time);
          }}
        />
      </div>
      <div class="net-at num">
        {at > 0 && formatTime(at, end)}
        <div class="muted">{live ? "now" : `${formatSpan(behind)} ago`}</div>
      </div>
      <button
        class={`button small ${live ? "net-is-live" : "primary"}`}
        type="button"
        aria-pressed={live}
        onClick={() => watch.goLive()}
      >
        Live
      </button>
    </div>
  );
}

interface StripProps {
  watch: Watch;
  from: number;
  to: number;
  at: number;
}

function Strip({ watch, from, to, at }: StripProps) {
  const place = useRef<HTMLCanvasElement>(null);
  const isDark = dark.value;
  // Often enough for a chart whose bars are seconds wide.
  const beat = Math.floor(to / 500);
  const shownAt = watch.live.value ? to : at;
  useEffect(() => {
    const canvas = place.current;
    if (canvas !== null) paint(canvas, watch, from, to, shownAt);
  }, [watch, beat, Math.floor(shownAt / 100), isDark]);
  useEffect(() => {
    const canvas = place.current;
    if (canvas === null) return undefined;
    const watcher = new ResizeObserver(() => {
      const { start, end } = watch.range.peek();
      paint(canvas, watch, Math.min(start, end - SPAN_LEAST_MS), end, watch.at.peek());
    });
    watcher.observe(canvas);
    return () => watcher.disconnect();
  }, [watch]);
  return <canvas ref={place} aria-hidden="true" />;
}

function paint(
  canvas: HTMLCanvasElement,
  watch: Watch,
  from: number,
  to: number,
  at: number,
): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  if (!context || width === 0 || to <= from) return;
  const pixels = Math.min(2, devicePixelRatio || 1);
  canvas.width = Math.round(width * pixels);
  canvas.height = Math.round(height * pixels);
  context.scale(pixels, pixels);
  const width_ms = barWidth((to - from) / (width / BAR_PIXELS));
  const first = Math.floor(from / width_ms) * width_ms;
  const bars = watch.recording.bars(first, width_ms, Math.ceil((to - first) / width_ms));
  const most = Math.max(1, ...bars);
  const xOf = (time: number) => ((time - from) / (to - from)) * width;
  const known = xOf(watch.range.peek().start);
  context.fillStyle = tokenColor("--sunken");
  context.fillRect(known, 0, width - known, height);
  const here = xOf(at);
  bars.forEach((bar, i) => {
    if (bar === 0) return;
    const high = Math.max(1, (bar / most) * (height - 4));
    const left = xOf(first + i * width_ms);
    const right = Math.min(width, xOf(first + (i + 1) * width_ms));
    context.fillStyle = tokenColor(left <= here ? "--accent" : "--line-strong");
    context.fillRect(left, height - high, Math.max(1, right - left - 1), high);
  });
  context.fillStyle = tokenColor("--text");
  context.fillRect(Math.min(width - 2, here - 1), 0, 2, height);
  const rate = (most / width_ms) * 1000;
  canvas.title = `At most ${formatNumber(rate)} messages per second within ${formatSpan(to - from)}`;
}

/** Bars of whole seconds, which stand still while time goes on. */
function barWidth(least_ms: number): number {
  return BAR_WIDTHS.find((width) => width >= least_ms) ?? least_ms;
}
