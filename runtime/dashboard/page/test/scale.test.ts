import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest, timeLabel, timeTicks, valueTicks } from "../src/ui/chart/scale";

test("values: round steps that hold the highest", () => {
  assert.deepEqual(valueTicks(66, 4), [0, 20, 40, 60, 80]);
  assert.deepEqual(valueTicks(6, 3), [0, 2, 4, 6]);
  assert.deepEqual(valueTicks(0.3, 3), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(valueTicks(1e9, 2), [0, 5e8, 1e9]);
});

test("values: of nothing there is still a grid", () => {
  assert.deepEqual(valueTicks(0, 2), [0, 0.5, 1]);
  assert.deepEqual(valueTicks(5, 0), [0, 5]);
});

test("times: round ones of the local clock", () => {
  const at = Date.UTC(2026, 10, 28, 12, 0, 7);
  const { times, step_ms } = timeTicks(at, at + 60_000, 5);
  assert.equal(step_ms, 15_000);
  assert.deepEqual(
    times.map((time) => timeLabel(time, step_ms)),
    ["13:00:15", "13:00:30", "13:00:45", "13:01:00"],
  );
  // Berlin's midnight is not UTC's.
  const day = timeTicks(at, at + 3 * 86_400_000, 4);
  assert.deepEqual(
    day.times.map((time) => timeLabel(time, day.step_ms)),
    ["11-29", "11-30", "12-01"],
  );
});

test("the nearest instant", () => {
  const times = [10, 20, 40];
  assert.deepEqual(
    [0, 14, 16, 30, 31, 99].map((time) => nearest(times, time)),
    [0, 0, 1, 2, 2, 2],
  );
  assert.equal(nearest([], 5), -1);
});
