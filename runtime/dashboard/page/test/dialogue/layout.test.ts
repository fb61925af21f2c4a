import assert from "node:assert/strict";
import { test } from "node:test";
import { gapHeight, layOut, rowsWithin, type Told } from "../../src/dialogue/layout";
import { childEvent, eventWords, failure, partiesOf, summary } from "../../src/dialogue/words";
import type { TraceEvent } from "../../src/feed/types";
import { idOf, makeDialogue } from "./made";

const THREAD = idOf(1);

function event(order: number, time_ms: number, rest: Partial<TraceEvent>): TraceEvent {
  return { order, time_ms, what: "stretch", name: "haggling/1/offer", thread: THREAD, ...rest };
}

async function told(count: number, events: TraceEvent[]): Promise<Told> {
  const { messages } = await makeDialogue(count, 1000);
  return { thid: THREAD, ours: "opener", messages, events, laneOf: () => "opener" };
}

test("events stand between the messages, by the host's count", async () => {
  const events = [
    event(11, 1040, { what: "heard", message: idOf(2) }),
    event(12, 1040, { end: "done", took_us: 800, number: 1 }),
    event(13, 1040, { what: "said", message: idOf(3) }),
    event(10, 1000, { what: "said", message: idOf(1) }),
    event(14, 1300, { what: "dead", code: "handler_failed", why: "no" }),
  ];
  const { rows } = layOut(await told(3, events));
  assert.deepEqual(
    rows.map(({ key }) => key),
    [`said ${idOf(1)}`, `heard ${idOf(2)}`, "e12", `said ${idOf(3)}`, "e14"],
  );
});

test("without a count, time decides; what belongs to another thread is marked", async () => {
  const child = event(3, 1050, { what: "said", message: idOf(99), thread: idOf(99) });
  const { rows } = layOut(await told(3, [child]));
  assert.equal(rows[2]!.key, "e3");
  assert.ok(rows[2]!.kind === "event" && rows[2]!.elsewhere);
});

test("rows follow each other without overlap, and idle time is compressed", async () => {
  const { rows, height } = layOut(await told(5, [event(1, 1070, { end: "done" })]));
  let bottom = 0;
  for (const row of rows) {
    assert.ok(row.top >= bottom);
    bottom = row.top + row.height;
  }
  assert.equal(bottom, height);
  const heights = [0, 100, 1000, 60_000, 86_400_000, 1e12].map(gapHeight);
  assert.deepEqual(
    [...heights].sort((a, b) => a - b),
    heights,
  );
  assert.ok(heights[0] === 0 && heights.at(-1)! <= 40);
});

test("a handler's bar reaches from what it was given to what it came to", async () => {
  const heard = event(5, 1040, { what: "heard", message: idOf(2) });
  const raised = event(6, 1050, { end: "raised", attempt: 1, why: "no stock" });
  const again = event(7, 1060, { end: "done", attempt: 2 });
  const { rows, bars } = layOut(await told(3, [heard, raised, again]));
  assert.equal(bars.length, 2);
  assert.ok(bars[0]!.bad && !bars[1]!.bad);
  assert.ok(bars[0]!.top > rows[1]!.top && bars[0]!.bottom < bars[1]!.bottom);
});

test("of ten thousand rows only those in sight are drawn", async () => {
  const { messages } = await makeDialogue(2, 1000);
  const many = Array.from({ length: 10_000 }, (_, i) => ({ ...messages[i % 2]!, id: idOf(i) }));
  const { rows } = layOut({ ...(await told(1, [])), messages: many });
  const within = rowsWithin(rows, 200_000, 201_000);
  assert.ok(within.length > 10 && within.length < 40);
  assert.ok(within[0]!.top + within[0]!.height >= 200_000 && within.at(-1)!.top <= 201_000);
  assert.deepEqual(rowsWithin(rows, -100, -50), []);
});

test("a message is summed up by what says most", () => {
  assert.equal(
    summary({ note: "x", price: 12345, service: "telemetry.cpu" }),
    "price 12,345 · telemetry.cpu · note x",
  );
  assert.equal(summary({ deep: { a: 1 } }), "1 more");
  assert.equal(summary(null), "");
  assert.equal(summary([1, 2]), "2 items");
  assert.ok(summary({ text: "y".repeat(500) }).length < 60);
});

test("what failed is said in a sentence", async () => {
  const { dialogue } = await makeDialogue(2);
  const failed = { ...dialogue, state: "failed" as const };
  assert.equal(failure(dialogue, []), undefined);
  assert.equal(failure({ ...failed, why: "no stock" }, []), "no stock");
  const raised = event(1, 1, { end: "raised", attempt: 3, why: "no stock" });
  assert.match(failure(failed, [raised])!, /raised: no stock · ran · attempt 3/);
  assert.match(
    eventWords(event(1, 1, { end: "waits", for: "sleep", number: 2 })),
    /waits for sleep · went on/,
  );
});

test("who opened the dialogue is told by its first message", async () => {
  const { dialogue, messages } = await makeDialogue(2);
  assert.equal(partiesOf(dialogue, messages).ours, "opener");
  const heard = [{ ...messages[0]!, direction: "heard" as const }];
  const { opener, other, ours } = partiesOf(dialogue, heard);
  assert.ok(ours === "other" && other.name === "buyer-1" && opener.did === dialogue.peer);
});

test("a dialogue that grew out of this one stands where it began", async () => {
  const { dialogue } = await makeDialogue(2, 1000);
  const child = childEvent({ ...dialogue, thid: idOf(99), opened_ms: 1045, peer_name: "oracle" });
  const stretches = [event(1, 1041, { end: "waits" }), event(2, 1100, { end: "done" })];
  const { rows } = layOut({ ...(await told(3, stretches)), children: [child] });
  assert.deepEqual(
    rows.map((row) => (row.kind === "message" ? row.index : row.event.what)),
    [0, 1, "stretch", "child", 2, "stretch"],
  );
  assert.match(eventWords(child), /^oracle: haggling\/1, 2 messages, ended/);
});

test("what is not done yet stands last, timers with the stretch that set them", async () => {
  const { order: _, ...retry } = event(0, 1001, { what: "retry", attempt: 2, due_ms: 1501 });
  const events = [
    retry,
    event(1, 1000, { end: "done" }),
    event(2, 1000, { what: "timer", name: "patience", due_ms: 6000 }),
  ];
  const { rows } = layOut(await told(3, events));
  assert.deepEqual(
    rows.map((row) => (row.kind === "message" ? row.index : row.event.what)),
    [0, "stretch", 1, 2, "retry"],
  );
  assert.ok(rows[1]!.kind === "event" && rows[1]!.timers.length === 1);
  assert.match(eventWords(retry), /tried again in 500 ms, attempt 2/);
});
