import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sample, Totals } from "../src/feed/types";
import { sentenceOf } from "../src/views/overview/sentence";

const zero = {
  received: 0,
  sent: 0,
  handled: 0,
  refused: 0,
  raised: 0,
  dead: 0,
  deals: 0,
  mailbox: 0,
  mailbox_age_ms: 0,
  agents: 12,
  latency_p50_ms: 0,
};

function said(sample: Partial<Sample>, held: string | null = null): string {
  const samples = Array.from({ length: 20 }, (_, i) => ({
    ...zero,
    ...sample,
    time_ms: i * 1000,
  })) as unknown as Sample[];
  const { tone, text } = sentenceOf({ samples, totals: { held } as Totals });
  return `${tone}: ${text}`;
}

test("what holds the host comes first", () => {
  assert.match(said({ handled: 100 }, "disk_low"), /^bad: The disk is nearly full/);
  assert.match(said({}, "store_stalled"), /^bad: The disk does not answer/);
  assert.equal(said({}, "something_new"), "bad: The host is held: something_new.");
});

test("agents that fall behind", () => {
  assert.equal(
    said({ handled: 100, mailbox: 12_345, mailbox_age_ms: 185_000 }),
    "wait: 12 agents fall behind: 12,345 messages wait, the oldest for 3 min 5 s.",
  );
});

test("trading", () => {
  assert.equal(
    said({ handled: 441, deals: 4, latency_p50_ms: 0.8 }),
    "good: 12 agents handle 441 messages per second and close 4 deals per second; latency p50 800 µs.",
  );
});

test("trading, with failures", () => {
  assert.equal(
    said({ handled: 3, raised: 1 }),
    "wait: 12 agents handle 3 messages per second. 1 per second fail or are refused.",
  );
});

test("one agent", () => {
  assert.match(
    said({ handled: 1, deals: 1 }),
    / handle 1 message per second and close 1 deal per /,
  );
  assert.equal(said({ handled: 2, agents: 1 }), "good: One agent handles 2 messages per second.");
});

test("nothing to do, nobody to do it, nothing known", () => {
  assert.match(said({}), /^idle: 12 agents, and all is quiet: no messages in the last 20 s\.$/);
  assert.equal(said({ agents: 0 }), "idle: No agents run on this host.");
  assert.equal(sentenceOf({ samples: [], totals: { held: null } as Totals }).tone, "idle");
});
