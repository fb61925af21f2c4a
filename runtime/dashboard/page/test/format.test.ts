import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatShare,
  formatShort,
  formatTime,
  formatTimeTitle,
  shortDid,
} from "../src/ui/format";

test("numbers: none, zero, huge, fractions", () => {
  const none = [undefined, null, NaN, Infinity].map(formatNumber);
  assert.deepEqual(none, ["–", "–", "–", "–"]);
  assert.equal(formatNumber(0), "0");
  assert.equal(formatNumber(1234567), "1,234,567");
  assert.equal(formatNumber(-1234), "-1,234");
  assert.equal(formatNumber(3.14159), "3.1");
  assert.equal(formatNumber(9007199254740991), "9.01e+15");
});

test("short numbers: four digits whole, else three of them", () => {
  const all = [0, 7, 999, 999.6, 1000, 1234, 12_345, 999_999, 1_000_000, 9e18].map(formatShort);
  assert.deepEqual(all, [
    "0",
    "7",
    "999",
    "1.00k",
    "1,000",
    "1,234",
    "12.3k",
    "1.00M",
    "1.00M",
    "9000P",
  ]);
});

test("bytes", () => {
  const all = [0, 1023, 1024, 1536, 1024 ** 3].map(formatBytes);
  assert.deepEqual(all, ["0 B", "1023 B", "1.00 KiB", "1.50 KiB", "1.00 GiB"]);
});

test("durations, from microseconds to days", () => {
  const all = [0, 0.0012, 0.42, 12.34, 999.4, 999.6, 1500, 59_949, 60_000, 93_784_000, -1500];
  assert.deepEqual(all.map(formatDuration), [
    "0 ms",
    "1.2 µs",
    "420 µs",
    "12.3 ms",
    "999 ms",
    "1.00 s",
    "1.50 s",
    "59.9 s",
    "1 min",
    "1 d 2 h",
    "−1.50 s",
  ]);
});

test("how long ago, also of what is to come", () => {
  assert.equal(formatAgo(1000, 2000), "just now");
  assert.equal(formatAgo(1000, 13_000), "12 s ago");
  assert.equal(formatAgo(1000, 1000 + 185_000), "3 min ago");
  assert.equal(formatAgo(301_000, 1000), "in 5 min");
});

test("shares", () => {
  assert.deepEqual([0, 0.1234, 1, 12.5].map(formatShare), ["0 %", "12.3 %", "100 %", "1250 %"]);
});

test("times are local, with the day when it is another; the title has UTC and the offset", () => {
  const winter = Date.UTC(2026, 10, 28, 23, 30, 5, 42);
  assert.equal(formatTime(winter, winter), "00:30:05");
  assert.equal(formatTime(winter, winter, true), "00:30:05.042");
  assert.equal(formatTime(winter, winter + 86_400_000), "2026-11-29 00:30:05");
  assert.equal(
    formatTimeTitle(winter),
    "2026-11-28 23:30:05.042 UTC\n2026-11-29T00:30:05.042+01:00",
  );
  const summer = Date.UTC(2026, 6, 1, 12);
  assert.match(formatTimeTitle(summer), /T14:00:00\.000\+02:00$/);
});

test("times that are none", () => {
  for (const ms of [0, null, undefined, NaN, 1e20, -5]) {
    assert.equal(formatTime(ms, 1), "–");
    assert.equal(formatTimeTitle(ms), "");
  }
});

test("keys are cut in the middle", () => {
  assert.equal(
    shortDid("did:key:z6MkhhUHEyuWFCbdnfYYxtnLN8LnwgFSRcLziuu59cmh2Aej"),
    "z6Mkhh…mh2Aej",
  );
  assert.equal(shortDid("operator"), "operator");
});
