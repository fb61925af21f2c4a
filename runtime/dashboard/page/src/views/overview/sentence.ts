// What is going on, in one sentence: the worst first, then how much is done. Pure, and tested.
import type { OverviewEvent, Sample } from "../../feed/types";
import { formatDuration, formatNumber, formatSpan } from "../../ui/format";
import type { StateTone } from "../../ui/tones";

export interface Sentence {
  tone: StateTone;
  text: string;
}

/** Rates are those of so many seconds: one alone jumps. */
const LATELY = 10;

export interface Rates {
  received: number;
  sent: number;
  handled: number;
  deals: number;
  failures: number;
}

export function failuresOf(sample: Sample): number {
  return sample.refused + sample.raised + sample.dead;
}

/** Per second, over the latest samples. */
export function ratesOf(samples: readonly Sample[], seconds = LATELY): Rates {
  const latest = samples.slice(-seconds);
  const mean = (of: (sample: Sample) => number) =>
    latest.length === 0 ? 0 : latest.reduce((sum, sample) => sum + of(sample), 0) / latest.length;
  return {
    received: mean((sample) => sample.received),
    sent: mean((sample) => sample.sent),
    handled: mean((sample) => sample.handled),
    deals: mean((sample) => sample.deals),
    failures: mean(failuresOf),
  };
}

const HELD: Record<string, string> = {
  disk_low: "The disk is nearly full: nothing is taken in and no handler runs until there is room.",
  disk_full: "The disk is full: nothing is taken in and no handler runs until there is room.",
  store_stalled:
    "The disk does not answer: nothing becomes durable, no handler runs and nothing is sent.",
};

export function sentenceOf({
  samples,
  totals,
}: Pick<OverviewEvent, "samples" | "totals">): Sentence {
  if (totals.held !== null && totals.held !== undefined) {
    return { tone: "bad", text: HELD[totals.held] ?? `The host is held: ${totals.held}.` };
  }
  const last = samples.at(-1);
  if (last === undefined) return { tone: "idle", text: "The host has just started." };
  if (last.agents === 0) return { tone: "idle", text: "No agents run on this host." };
  const rates = ratesOf(samples);
  const agents = last.agents === 1 ? "One agent" : `${formatNumber(last.agents)} agents`;
  if (last.mailbox > 0 && last.mailbox_age_ms > 10_000) {
    const waiting =
      last.mailbox === 1 ? "one message waits" : `${formatNumber(last.mailbox)} messages wait`;
    return {
      tone: "wait",
      text: `${agents} fall behind: ${waiting}, the oldest for ${formatSpan(last.mailbox_age_ms)}.`,
    };
  }
  if (rates.handled < 0.05) return { tone: "idle", text: quiet(agents, samples) };
  const one = last.agents === 1;
  const deals =
    rates.deals > 0
      ? ` and ${one ? "closes" : "close"} ${count(rates.deals, "deal")} per second`
      : "";
  const half =
    last.latency_p50_ms > 0 ? `; latency p50 ${formatDuration(last.latency_p50_ms)}` : "";
  const failing =
    rates.failures > 0 ? ` ${rate(rates.failures)} per second fail or are refused.` : "";
  return {
    tone: failing === "" ? "good" : "wait",
    text: `${agents} ${one ? "handles" : "handle"} ${count(rates.handled, "message")} per second${deals}${half}.${failing}`,
  };
}

/** Below ten a digit tells more. */
function rate(value: number): string {
  return formatNumber(value < 10 ? Math.round(value * 10) / 10 || 0.1 : Math.round(value));
}

function count(value: number, noun: string): string {
  const text = rate(value);
  return `${text} ${noun}${text === "1" ? "" : "s"}`;
}

function quiet(agents: string, samples: readonly Sample[]): string {
  const latest = samples.findLast((sample) => sample.handled > 0);
  const end = samples.at(-1)?.time_ms ?? 0;
  const since =
    latest === undefined
      ? `no messages in the last ${formatSpan(end - (samples[0]?.time_ms ?? end) + 1000)}`
      : `the last message was handled ${formatSpan(end - latest.time_ms)} ago`;
  return `${agents}, and all is quiet: ${since}.`;
}
