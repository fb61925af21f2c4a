// Samples as the columns that charts draw.
import type { Sample } from "../../feed/types";

export interface Columns {
  times: number[];
  /** null where nothing was sampled: the host was down, or its loop was busy. */
  of(value: (sample: Sample) => number | null): (number | null)[];
}

const GAP_MS = 3500;

export function columnsOf(samples: readonly Sample[]): Columns {
  const rows: (Sample | null)[] = [];
  const times: number[] = [];
  let before: number | null = null;
  for (const sample of samples) {
    // A line from before a gap to after it would tell of what was not.
    if (before !== null && sample.time_ms - before > GAP_MS) {
      times.push(before + 1000);
      rows.push(null);
    }
    times.push(sample.time_ms);
    rows.push(sample);
    before = sample.time_ms;
  }
  return { times, of: (value) => rows.map((sample) => (sample === null ? null : value(sample))) };
}
