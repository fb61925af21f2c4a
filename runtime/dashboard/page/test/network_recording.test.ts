import assert from "node:assert/strict";
import test from "node:test";
import { Network, type Said } from "../src/network/model";
import { MEMORY_MS, Recording, WINDOW_MS } from "../src/network/recording";
import { networkEvent } from "./network_event";

const T = 1_000_000;

function someone(): {
  network: Network;
  said: (from: number, to: number, count: number) => Said[];
} {
  const network = new Network();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 4 }));
  return {
    network,
    said: (from, to, count) =>
      network.apply(networkEvent({ time_ms: T, edges: [[from, to, count, "bid"]] })).said,
  };
}

test("traffic counts what was said within the window, and remembers who spoke before", () => {
  const { said } = someone();
  const recording = new Recording();
  recording.add(T, said(1, 2, 5));
  recording.add(T + WINDOW_MS / 2, said(2, 1, 7));
  const soon = recording.traffic(T + WINDOW_MS / 2);
  assert.equal(soon.messages, 12);
  assert.deepEqual(
    soon.ties.map((tie) => tie.count),
    [5, 7],
  );
  const later = recording.traffic(T + WINDOW_MS + 1);
  assert.equal(later.messages, 7);
  assert.equal(later.ties.length, 2, "the silent one is remembered");
  assert.equal(recording.traffic(T + WINDOW_MS / 2 + MEMORY_MS).ties.length, 0);
});

test("any instant of the past can be asked for again", () => {
  const { said } = someone();
  const recording = new Recording();
  for (let second = 0; second < 30; second++) recording.add(T + second * 1000, said(1, 2, second));
  assert.equal(
    recording.traffic(T + 29_000).messages,
    20 + 21 + 22 + 23 + 24 + 25 + 26 + 27 + 28 + 29,
  );
  assert.equal(recording.traffic(T + 3_000).messages, 1 + 2 + 3);
  assert.equal(recording.traffic(T - 1).messages, 0);
  assert.equal(recording.between(T + 3_000, T + 5_000).length, 2);
});

test("a clock that goes back a little does not disturb the order", () => {
  const { said } = someone();
  const recording = new Recording();
  recording.add(T, said(1, 2, 1));
  recording.add(T - 500, said(1, 2, 1));
  assert.equal(recording.end, T);
  assert.equal(recording.traffic(T).messages, 2);
});

test("age and memory are bounded, and messages are not lost where moments are joined", () => {
  const { said } = someone();
  const old = new Recording(60_000);
  for (let second = 0; second < 100; second++) old.add(T + second * 1000, said(1, 2, 1));
  assert.equal(old.start, T + 39_000);
  assert.equal(old.between(0, Infinity).length, 60);

  const small = new Recording(3_600_000, 100);
  for (let second = 0; second < 300; second++) small.add(T + second * 1000, said(1, 2, 1));
  const moments = small.between(0, Infinity);
  assert.ok(moments.length <= 100);
  assert.equal(
    moments.reduce((sum, moment) => sum + moment.messages, 0),
    300,
    "joined, they still say all",
  );
  for (let second = 300; second < 3_000; second++) small.add(T + second * 1000, said(1, 2, 1));
  assert.ok(small.between(0, Infinity).length <= 101);
  assert.ok(small.start > T, "what was dropped cannot be asked for");
});

test("bars spread a moment over the time that it tells of", () => {
  const { said } = someone();
  const recording = new Recording();
  recording.add(T, []);
  recording.add(T + 2_000, said(1, 2, 10));
  assert.deepEqual(recording.bars(T, 1_000, 4), [5, 5, 0, 0]);
});
