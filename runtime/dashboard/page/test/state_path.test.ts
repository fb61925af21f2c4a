import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../src/feed/types";
import { depthCut, entriesOf, keyLabel, pathOf } from "../src/views/agent/state_path";

test("paths are what the host reads", () => {
  assert.equal(pathOf("", "lots"), "lots");
  assert.equal(pathOf("lots", 2), "lots[3]");
  assert.equal(pathOf("lots[3]", "price"), "lots[3].price");
  assert.equal(pathOf("users", "a b"), 'users["a b"]');
  assert.equal(pathOf("users", 'a"b\\'), 'users["a\\"b\\\\"]');
  assert.equal(pathOf("", "haggle.market"), '["haggle.market"]');
});

test("integer keys of the projection, and texts that begin with $", () => {
  assert.equal(pathOf("by_id", "$-7"), "by_id[-7]");
  assert.equal(pathOf("by_id", "$$7"), 'by_id["$7"]');
  assert.deepEqual(
    [keyLabel("$7"), keyLabel("$$7"), keyLabel(0), keyLabel("a")],
    ["7", "$7", "1", "a"],
  );
});

test("a table that was too deep is told from one of which there is more", () => {
  assert.equal(depthCut({ $more: 3 }), 3);
  assert.equal(depthCut({ a: 1, $more: 3 }), null);
  assert.deepEqual(entriesOf({ a: 1, $more: 3 }, 1), { list: false, entries: [["a", 1]], more: 3 });
});

test("at the end of a list, the count of the rest is no element, a deeper table is", () => {
  assert.deepEqual(entriesOf([1, 2, { $more: 5 }], 2), {
    list: true,
    entries: [
      [0, 1],
      [1, 2],
    ],
    more: 5,
  });
  assert.equal(entriesOf([1, { $more: 5 }], 2)?.entries.length, 2);
});

test("single values are no tables", () => {
  const single: Json[] = [1, "a", null, true, { $int: "9007199254740993" }, { $bytes: "AA" }];
  for (const value of single) {
    assert.equal(entriesOf(value, 10), null);
  }
});
