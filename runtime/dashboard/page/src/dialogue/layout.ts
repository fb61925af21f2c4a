// Where things stand in a sequence diagram: rows from top to bottom, one for each message and for what
// the agents did between. Idle time is compressed: it is read from its label, not from its height.
import type { DialogueMessage, TraceEvent } from "../feed/types";
import type { Side } from "../proof/definition";
import { isBad, sideOf } from "./words";

export const MESSAGE_HEIGHT = 44;
export const EVENT_HEIGHT = 24;
const GAP_LEAST_MS = 200;
const GAP_MOST = 36;
/** Idle time from here on is labelled in its place. */
export const GAP_LABELLED_MS = 5000;

interface Place {
  key: string;
  top: number;
  height: number;
  time_ms: number;
  /** Since the row before; null in the first. */
  since_ms: number | null;
}

export interface MessageRow extends Place {
  kind: "message";
  index: number; // among the messages
  message: DialogueMessage;
  from: Side;
}

export interface EventRow extends Place {
  kind: "event";
  event: TraceEvent;
  /** Of a stretch: what it set, each in no row of its own. */
  timers: TraceEvent[];
  lane: Side;
  /** It belongs to another thread, which this one serves or is served by. */
  elsewhere: boolean;
}

export type Row = MessageRow | EventRow;

/** A handler at work: from what it was given to what it came to. */
export interface Bar {
  lane: Side;
  top: number;
  bottom: number;
  bad: boolean;
}

export interface Layout {
  rows: Row[];
  bars: Bar[];
  height: number;
}

export interface Told {
  thid: string;
  ours: Side;
  messages: readonly DialogueMessage[];
  events: readonly TraceEvent[];
  /** Of dialogues that grew out of this one (words.ts): by time. */
  children?: readonly TraceEvent[];
  /** Which side an event is of; the trace names agents of this host only. */
  laneOf(event: TraceEvent): Side;
}

export function layOut(told: Told): Layout {
  const rows: Row[] = [];
  let top = 0;
  let before: number | null = null;
  for (const item of inOrder(told)) {
    const time_ms = "event" in item ? item.event.time_ms : item.message.time_ms;
    const since_ms = before === null ? null : Math.max(0, time_ms - before);
    top += gapHeight(since_ms);
    const height = "event" in item ? EVENT_HEIGHT : MESSAGE_HEIGHT;
    rows.push({ ...item, top, height, time_ms, since_ms } as Row);
    top += height;
    before = time_ms;
  }
  return { rows, bars: barsOf(rows), height: top };
}

/** 0 below a fifth of a second; grows with the logarithm. */
export function gapHeight(ms: number | null): number {
  if (ms === null || ms < GAP_LEAST_MS) return 0;
  const height = Math.min(GAP_MOST, Math.round(8 * Math.log10(ms / 100)));
  return ms >= GAP_LABELLED_MS ? Math.max(20, height) : height;
}

type Unplaced =
  | Omit<MessageRow, "top" | "height" | "time_ms" | "since_ms">
  | Omit<EventRow, "top" | "height" | "time_ms" | "since_ms">;

/**
 * The messages as they are told, and the events between them: where the trace tells of a message too,
 * by the host's own count, else by time.
 */
function inOrder(told: Told): Unplaced[] {
  const orders = new Map<string, number>();
  const own = new Set(told.messages.map(({ id }) => id));
  const between: TraceEvent[] = [];
  for (const event of [...told.events].sort(byOrder)) {
    const ofMessage =
      (event.what === "heard" || event.what === "said") && event.message !== undefined;
    if (!ofMessage || !own.has(event.message!)) between.push(event);
    else if (!orders.has(event.message!)) orders.set(event.message!, event.order ?? Infinity);
  }
  for (const child of told.children ?? []) {
    const before = between.findLastIndex(({ time_ms }) => time_ms < child.time_ms);
    // The stretch that began it is of the same millisecond, as a rule.
    const began = between[before + 1]?.time_ms === child.time_ms;
    between.splice(before + (began ? 2 : 1), 0, child);
  }
  const items: Unplaced[] = [];
  let next = 0;
  const place = (event: TraceEvent): void => {
    const before = items.at(-1);
    const lane = told.laneOf(event);
    if (event.what === "timer" && before?.kind === "event" && isStretch(before, lane)) {
      before.timers.push(event);
      return;
    }
    const elsewhere = event.thread !== undefined && event.thread !== told.thid;
    items.push({
      kind: "event",
      key: `e${event.order ?? `${event.agent} ${event.what} ${event.message ?? event.thread} ${event.row}`}`,
      event,
      timers: [],
      lane,
      elsewhere,
    });
  };
  told.messages.forEach((message, index) => {
    const order = orders.get(message.id);
    for (; next < between.length; next++) {
      const event = between[next]!;
      if (isAfter(event, message, order)) break;
      place(event);
    }
    const from = sideOf(message, told.ours);
    items.push({
      kind: "message",
      key: `${message.direction} ${message.id}`,
      index,
      message,
      from,
    });
  });
  between.slice(next).forEach(place);
  return items;
}

function isStretch(row: { event: TraceEvent; lane: Side }, lane: Side): boolean {
  return row.event.what === "stretch" && row.lane === lane;
}

/** What is not done yet has no order: it is last. */
function byOrder(a: TraceEvent, b: TraceEvent): number {
  return (a.order ?? Infinity) < (b.order ?? Infinity) ? -1 : a.order === b.order ? 0 : 1;
}

function isAfter(event: TraceEvent, message: DialogueMessage, order: number | undefined): boolean {
  if (event.order === undefined && event.what !== "child") return true;
  if (event.order === undefined) return event.time_ms >= message.time_ms;
  return order === undefined ? event.time_ms >= message.time_ms : event.order >= order;
}

/** A stretch began with the last row that gave its side something: a message, or its last stretch. */
function barsOf(rows: readonly Row[]): Bar[] {
  const bars: Bar[] = [];
  const given: Record<Side, number | null> = { opener: null, other: null };
  for (const row of rows) {
    if (row.kind === "message") {
      given[row.from === "opener" ? "other" : "opener"] = arrowY(row);
      continue;
    }
    if (row.event.what !== "stretch" || row.elsewhere) continue;
    const bottom = row.top + row.height / 2 + 6;
    const top = given[row.lane] ?? row.top + row.height / 2 - 6;
    bars.push({ lane: row.lane, top, bottom, bad: isBad(row.event) });
    // What it waits for may be long in coming: the wait is no work.
    given[row.lane] = row.event.end === "raised" ? bottom + 4 : null;
  }
  return bars;
}

/** Where the arrow of a message is. */
export function arrowY(row: Row): number {
  return row.top + row.height - 10;
}

/** The rows between two heights; rows are in order, so their first is found by halving. */
export function rowsWithin(rows: readonly Row[], from: number, to: number): Row[] {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.top + rows[middle]!.height < from) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < rows.length && rows[end]!.top <= to) end++;
  return rows.slice(low, end);
}
