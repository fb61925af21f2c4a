// Numbers, sizes, durations and times as people read them. All pure; widths do not jump while values change.

const NONE = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

function isNumber(value: number | null | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** 1234567 → "1,234,567"; fractions below 100 keep one digit. */
export function formatNumber(value: number | null | undefined): string {
  if (!isNumber(value)) return NONE;
  if (Math.abs(value) >= 1e15) return value.toExponential(2);
  return Number.isInteger(value) || Math.abs(value) >= 100
    ? whole.format(value)
    : tenths.format(value);
}

/** 1234567 → "1.23M", where room is short: what has more than four digits is cut to three. */
export function formatShort(value: number | null | undefined): string {
  if (!isNumber(value)) return NONE;
  if (Number.isInteger(value) && Math.abs(value) < 10_000) return whole.format(value);
  return scale(value, 1000, ["", "k", "M", "G", "T", "P"], "");
}

/** 1536 → "1.50 KiB" */
export function formatBytes(value: number | null | undefined): string {
  if (!isNumber(value)) return NONE;
  return scale(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], " ");
}

function scale(value: number, step: number, units: string[], gap: string): string {
  let unit = 0;
  let rest = value;
  // 999.6 would be shown as 1000.
  while (Math.abs(rest) >= step - 0.5 && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const size = Math.abs(rest);
  const digits = unit === 0 && Number.isInteger(rest) ? 0 : size < 10 ? 2 : size < 100 ? 1 : 0;
  return `${rest.toFixed(digits)}${gap}${units[unit] ?? ""}`.trim();
}

/** Milliseconds: 0.42 → "420 µs", 1500 → "1.50 s", 93784000 → "1 d 2 h" */
export function formatDuration(ms: number | null | undefined): string {
  if (!isNumber(ms)) return NONE;
  if (ms < 0) return `−${formatDuration(-ms)}`;
  if (ms === 0) return "0 ms";
  if (ms < 0.9995) return `${(ms * 1000).toFixed(ms < 0.00995 ? 1 : 0)} µs`;
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 999.5) return `${ms.toFixed(ms < 99.95 ? 1 : 0)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  return formatSpan(ms);
}

/** Two units of a longer time: "3 min 5 s". */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** "just now", "12 s ago", "3 min ago", "in 5 min" */
export function formatAgo(then_ms: number, now_ms: number): string {
  const ms = now_ms - then_ms;
  if (Math.abs(ms) < 1500) return "just now";
  // One unit is enough: "3 min", not "3 min 5 s".
  const text = formatSpan(Math.abs(ms)).split(" ").slice(0, 2).join(" ");
  return ms > 0 ? `${text} ago` : `in ${text}`;
}

/** 1 → "1 timer", 1234 → "1,234 timers" */
export function formatCount(count: number | null | undefined, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Share of one: 0.1234 → "12.3 %" */
export function formatShare(share: number | null | undefined): string {
  if (!isNumber(share)) return NONE;
  const percent = share * 100;
  return `${percent.toFixed(percent !== 0 && Math.abs(percent) < 99.95 ? 1 : 0)} %`;
}

// Times -----------------------------------------------------------------------------------------

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-CA", { dateStyle: "short" });

/** A time that can be one: others (0, beyond what Date holds) have no text. */
function dateOf(ms: number | null | undefined): Date | null {
  if (!isNumber(ms) || ms <= 0) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** In this machine's zone: "17:04:31", with the day when it is not today's. */
export function formatTime(ms: number | null | undefined, now_ms: number, millis = false): string {
  const date = dateOf(ms);
  if (date === null) return NONE;
  const time =
    clock.format(date) + (millis ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "");
  const today = day.format(date) === day.format(new Date(now_ms));
  return today ? time : `${day.format(date)} ${time}`;
}

/** "2026-11-28 16:04:31.123 UTC, 2026-11-28T17:04:31.123+01:00" */
export function formatTimeTitle(ms: number | null | undefined): string {
  const date = dateOf(ms);
  if (date === null) return "";
  const utc = date.toISOString();
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const hours = String(Math.floor(Math.abs(offset) / 60)).padStart(2, "0");
  const minutes = String(Math.abs(offset) % 60).padStart(2, "0");
  return `${utc.replace("T", " ").replace("Z", " UTC")}\n${local}${offset < 0 ? "-" : "+"}${hours}:${minutes}`;
}

/** did:key:z6MkhhUHEyuW…bmh2Aej → "z6Mkhh…2Aej" */
export function shortDid(did: string): string {
  const key = did.replace(/^did:key:/, "");
  return key.length > 16 ? `${key.slice(0, 6)}…${key.slice(-6)}` : key;
}

/** The first eight digits of a message's, thread's or deal's id. */
export function shortId(id: string): string {
  return id.length > 12 ? `${id.slice(0, 8)}…` : id;
}
