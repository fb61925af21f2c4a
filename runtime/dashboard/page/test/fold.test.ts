import assert from "node:assert/strict";
import { test } from "node:test";
import { fold, LOG_LINES } from "../src/feed/fold";
import type { Deal, EventOf, LogLine, Sample, StreamedMessage } from "../src/feed/types";

const head = (whole: boolean) => ({ event: "", as: "", time_ms: 0, ...(whole ? { whole } : {}) });

function overview(whole: boolean, ...times: number[]): EventOf<"overview"> {
  const samples = times.map((time_ms) => ({ time_ms }) as Sample);
  return { ...head(whole), samples, alarms: [], totals: {} as EventOf<"overview">["totals"] };
}

const times = (event: EventOf<"overview"> | null) => event?.samples.map((one) => one.time_ms);

test("overview: new samples follow the history, none twice, the oldest go", () => {
  let held = fold("overview", null, overview(true, 1, 2, 3), { history: 4 });
  held = fold("overview", held, overview(false, 3, 4, 5), { history: 4 });
  assert.deepEqual(times(held), [2, 3, 4, 5]);
  held = fold("overview", held, overview(true, 8, 9), { history: 4 });
  assert.deepEqual(times(held), [8, 9]);
});

test("a change without what it changes is nothing", () => {
  assert.equal(fold("overview", null, overview(false, 1), {}), null);
});

function logs(whole: boolean, from: number, to: number): EventOf<"logs"> {
  const lines: LogLine[] = [];
  for (let order = from; order <= to; order++) {
    lines.push({ order, time_ms: order, level: "info", module: "host", text: "" });
  }
  return { ...head(whole), lines };
}

const orders = (event: EventOf<"logs"> | null) => event?.lines.map((line) => line.order);

test("logs: a whole event adds what is new and loses nothing that was here", () => {
  let held = fold("logs", null, logs(true, 1, 3), {});
  held = fold("logs", held, logs(true, 2, 5), {});
  assert.deepEqual(orders(held), [1, 2, 3, 4, 5]);
});

test("logs: orders begin anew with the host", () => {
  let held = fold("logs", null, logs(true, 100, 102), {});
  held = fold("logs", held, logs(true, 1, 2), {});
  assert.deepEqual(orders(held), [100, 101, 102, 1, 2]);
});

test("logs: no more than so many lines are kept", () => {
  let held = fold("logs", null, logs(true, 1, LOG_LINES), {});
  assert.equal(held?.lines.length, LOG_LINES);
  held = fold("logs", held, logs(false, LOG_LINES + 1, LOG_LINES + 1), {});
  assert.equal(held?.lines.length, LOG_LINES);
  assert.equal(held?.lines[0]?.order, 2);
});

test("logs: who was skipped ahead counts what it missed, not what the whole leaves out", () => {
  let held = fold("logs", null, { ...logs(true, 1, 3), skipped: 2 }, {});
  held = fold("logs", held, { ...logs(false, 4, 5), skipped: 4 }, {});
  held = fold("logs", held, { ...logs(true, 90, 99), skipped: 700, missed: 84 }, {});
  assert.equal(held?.skipped, 2 + 4 + 84);
  held = fold("logs", held, { ...logs(true, 90, 100), skipped: 700, missed: 0 }, {});
  assert.equal(held?.skipped, 2 + 4 + 84);
});

test("messages: a whole event repeats none that was here", () => {
  const messages = (whole: boolean, ...ids: string[]): EventOf<"messages"> => ({
    ...head(whole),
    messages: ids.map((id) => ({ id, what: "sent", time_ms: 1 }) as StreamedMessage),
    skipped: 0,
  });
  let held = fold("messages", null, messages(true, "a", "b"), {});
  held = fold("messages", held, messages(false, "c"), {});
  held = fold("messages", held, messages(true, "b", "c", "d"), {});
  assert.deepEqual(
    held?.messages.map(({ id }) => id),
    ["a", "b", "c", "d"],
  );
});

function deals(whole: boolean, ...all: [string, string, number][]): EventOf<"deals"> {
  return {
    ...head(whole),
    deals: all.map(([id, agent, time_ms]) => ({ id, agent, time_ms }) as Deal),
  };
}

test("deals: a changed one moves to the front, of both sides' records each on its own", () => {
  let held = fold("deals", null, deals(true, ["a", "ann", 2], ["a", "kiosk", 1]), {});
  held = fold("deals", held, deals(false, ["a", "kiosk", 3], ["b", "ann", 4]), {});
  assert.deepEqual(
    held?.deals.map((deal) => `${deal.id} ${deal.agent} ${deal.time_ms}`),
    ["b ann 4", "a kiosk 3", "a ann 2"],
  );
});
