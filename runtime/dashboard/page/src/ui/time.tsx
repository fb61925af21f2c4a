// Times and quantities. A time is shown in this machine's zone; its title says it in UTC and with its offset.
import { signal } from "@preact/signals";
import { hostNow } from "../feed/connection";
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatShort,
  formatTime,
  formatTimeTitle,
} from "./format";

/** The host's time, a second at a time: what is shown as "ago" follows it. */
export const now = signal(Date.now());

export function followClock(): void {
  now.value = hostNow();
  setInterval(() => {
    if (!document.hidden) now.value = hostNow();
  }, 1000);
}

export function Time({ ms, millis = false }: { ms: number | null | undefined; millis?: boolean }) {
  return <time title={formatTimeTitle(ms)}>{formatTime(ms, hostNow(), millis)}</time>;
}

export function Ago({ ms }: { ms: number | null | undefined }) {
  if (typeof ms !== "number" || ms <= 0) return <span class="muted">–</span>;
  return <time title={formatTimeTitle(ms)}>{formatAgo(ms, now.value)}</time>;
}

type Quantity = number | null | undefined;

/** With thousands separated; `short` as 1.23M, where the title says it in full. */
export function Num({ value, short = false }: { value: Quantity; short?: boolean }) {
  const whole = formatNumber(value);
  return (
    <span class="num" title={short ? whole : undefined}>
      {short ? formatShort(value) : whole}
    </span>
  );
}

/** An amount in the smallest unit: a protocol says of what. */
export const Money = Num;

export function Bytes({ value }: { value: Quantity }) {
  return (
    <span
      class="num"
      title={typeof value === "number" ? `${formatNumber(value)} bytes` : undefined}
    >
      {formatBytes(value)}
    </span>
  );
}

export function Duration({ ms }: { ms: Quantity }) {
  return <span class="num">{formatDuration(ms)}</span>;
}
