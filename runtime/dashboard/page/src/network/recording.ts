// What the page has seen of the traffic, so that the same picture can be drawn of any instant of the recent
// past: moments (what one event told) in order of time. Bounded in age and in memory.
import { KINDS, type Kind } from "./kinds";
import type { Said, Tie } from "./model";

/** How far back a tie counts as traffic, and how long it is remembered as a faint line. */
export const WINDOW_MS = 10_000;
export const MEMORY_MS = 60_000;

const AGE_MAX_MS = 30 * 60_000;
const ENTRIES_MAX = 1_500_000; // of all moments; some 20 MB
const SPAN_MAX_MS = 10_000; // of moments that were joined

export interface Moment {
  /** Its end; what it tells happened within the `span` before. */
  time: number;
  span: number;
  ties: Tie[];
  counts: Uint32Array;
  /** Indices of KINDS. */
  kinds: Uint8Array;
  messages: number;
}

/** Who spoke with whom before an instant. Its ties' own fields say how much, until the next is computed. */
export interface Traffic {
  time: number;
  ties: Tie[];
  /** Within the window. */
  messages: number;
  kinds: Map<Kind, number>;
}

export class Recording {
  private moments: Moment[] = [];
  private entries = 0;
  private stamp = 0;
  /** The first and the last instant that can be shown; equal: nothing yet. */
  start = 0;
  end = 0;

  constructor(
    private readonly ageMax = AGE_MAX_MS,
    private readonly entriesMax = ENTRIES_MAX,
  ) {}

  /** In order of time: an earlier one than the last is told as if it were at the same instant. */
  add(time: number, said: readonly Said[]): void {
    if (this.end === 0) this.start = this.end = time;
    const at = Math.max(time, this.end);
    const span = Math.min(Math.max(at - this.end, 100), 2_000);
    this.end = at;
    if (said.length > 0) {
      this.moments.push(momentOf(at, span, said));
      this.entries += said.length;
    }
    this.trim();
  }

  get hasMessages(): boolean {
    return this.moments.length > 0;
  }

  clear(): void {
    this.moments = [];
    this.entries = 0;
    this.start = this.end = 0;
  }

  /** Those whose end is in (from, to]. */
  between(from: number, to: number): Moment[] {
    return this.moments.slice(this.after(from), this.after(to));
  }

  /** The traffic as it stood at `time`. */
  traffic(time: number): Traffic {
    const stamp = ++this.stamp;
    const traffic: Traffic = { time, ties: [], messages: 0, kinds: new Map() };
    const sums = new Array<number>(KINDS.length).fill(0);
    for (const moment of this.between(time - MEMORY_MS, time)) {
      const counts = moment.time > time - WINDOW_MS;
      for (let i = 0; i < moment.ties.length; i++) {
        const tie = moment.ties[i]!;
        const count = moment.counts[i]!;
        const kind = moment.kinds[i]!;
        if (tie.stamp !== stamp) {
          tie.stamp = stamp;
          tie.count = 0;
          traffic.ties.push(tie);
        }
        tie.last = moment.time;
        tie.kind = KINDS[kind]!;
        if (!counts) continue;
        tie.count += count;
        traffic.messages += count;
        sums[kind]! += count;
      }
    }
    KINDS.forEach((kind, i) => sums[i] && traffic.kinds.set(kind, sums[i]));
    return traffic;
  }

  /** Messages in each of `bars` parts of `width_ms`, beginning at `from`; a moment is spread over its span. */
  bars(from: number, width_ms: number, bars: number): number[] {
    const sums = new Array<number>(bars).fill(0);
    for (const moment of this.between(from, from + bars * width_ms + SPAN_MAX_MS)) {
      const first = Math.floor((moment.time - moment.span - from) / width_ms);
      const last = Math.ceil((moment.time - from) / width_ms) - 1;
      for (let bar = Math.max(0, first); bar <= Math.min(bars - 1, last); bar++) {
        const left = Math.max(moment.time - moment.span, from + bar * width_ms);
        const right = Math.min(moment.time, from + (bar + 1) * width_ms);
        sums[bar]! += (moment.messages * Math.max(0, right - left)) / moment.span;
      }
    }
    return sums;
  }

  /** The first moment whose time is later. */
  private after(time: number): number {
    let low = 0;
    let high = this.moments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.moments[middle]!.time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Memory first costs what is old its sharpness; what is too old, or still too much, is dropped. */
  private trim(): void {
    if (this.entries > this.entriesMax) this.blur();
    const oldest = this.end - this.ageMax;
    if (this.start < oldest) this.start = oldest;
    let drop = this.after(oldest);
    for (let i = 0; i < drop; i++) this.entries -= this.moments[i]!.ties.length;
    for (; this.entries > this.entriesMax; drop++) {
      this.entries -= this.moments[drop]!.ties.length;
      this.start = this.moments[drop]!.time;
    }
    if (drop > 0) this.moments.splice(0, drop);
  }

  /** Joins neighbours in the older half, as long as they stay short. */
  private blur(): void {
    const half = this.moments.length >> 1;
    const joined: Moment[] = [];
    for (let i = 0; i < half; i++) {
      const a = this.moments[i]!;
      const b = this.moments[i + 1];
      if (i + 1 < half && b && b.time - a.time + a.span <= SPAN_MAX_MS) {
        joined.push(join(a, b));
        i++;
      } else {
        joined.push(a);
      }
    }
    this.moments.splice(0, half, ...joined);
    this.entries = this.moments.reduce((sum, moment) => sum + moment.ties.length, 0);
  }
}

function momentOf(time: number, span: number, said: readonly Said[]): Moment {
  const moment: Moment = {
    time,
    span,
    ties: said.map((one) => one.tie),
    counts: new Uint32Array(said.length),
    kinds: new Uint8Array(said.length),
    messages: 0,
  };
  said.forEach((one, i) => {
    moment.counts[i] = one.count;
    moment.kinds[i] = KINDS.indexOf(one.kind);
    moment.messages += one.count;
  });
  return moment;
}

function join(a: Moment, b: Moment): Moment {
  const sums = new Map<Tie, Said>();
  for (const moment of [a, b]) {
    moment.ties.forEach((tie, i) => {
      const count = (sums.get(tie)?.count ?? 0) + moment.counts[i]!;
      sums.set(tie, { tie, count, kind: KINDS[moment.kinds[i]!]!, performative: "" });
    });
  }
  return momentOf(b.time, b.time - a.time + a.span, [...sums.values()]);
}
