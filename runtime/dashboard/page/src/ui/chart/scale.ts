// Where the lines of a grid go. Pure.

/** Round values from 0 to at least `most`, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function valueTicks(most: number, count: number): number[] {
  const rough = (most > 0 ? most : 1) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((one) => one * power >= rough * 0.999) ?? 10);
  const last = Math.ceil((most > 0 ? most : 1) / step - 0.001);
  // Multiplied, not added up: 0.1 + 0.2 is not 0.3.
  return Array.from({ length: last + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((count) => count * DAY),
];

export interface TimeTicks {
  times: number[];
  step_ms: number;
}

/** Round times of the local clock from `from` to `to`, at most `count` of them. */
export function timeTicks(from: number, to: number, count: number): TimeTicks {
  const span = Math.max(1, to - from);
  const step_ms = STEPS.find((step) => span / step <= Math.max(1, count)) ?? 365 * DAY;
  // Midnight is where the zone has it.
  const zone = new Date(to).getTimezoneOffset() * MINUTE;
  const first = Math.ceil((from - zone) / step_ms) * step_ms + zone;
  const times: number[] = [];
  for (let time = first; time <= to; time += step_ms) times.push(time);
  return { times, step_ms };
}

const seconds = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const minutes = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const days = new Intl.DateTimeFormat("en-CA", { month: "2-digit", day: "2-digit" });

export function timeLabel(time: number, step_ms: number): string {
  const format = step_ms < MINUTE ? seconds : step_ms < DAY ? minutes : days;
  return format.format(time);
}

/** The index of the time that is nearest; -1 of none. */
export function nearest(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  const before = times[low - 1];
  const at = times[low];
  return before !== undefined && at !== undefined && time - before < at - time ? low - 1 : high;
}
