import assert from "node:assert/strict";
import test from "node:test";
import { columnOf, missText, restOf, valueText } from "../../src/directory/words";
import type { Miss, Offer } from "../../src/feed/types";

test("an error points at a character, though the host counts bytes", () => {
  assert.equal(columnOf("query, column 7: a value is expected", "price<"), 6);
  assert.equal(columnOf("column 1: expected a field", ")"), 0);
  // Each ü is two bytes, the clock four.
  assert.equal(columnOf("column 10: expected a value", "grün=⏰"), 6);
  assert.equal(columnOf("out of memory", "price<"), null);
  assert.equal(columnOf("column 0: odd", "price<"), null);
});

function miss(fields: Partial<Miss>): Miss {
  return { condition: "price<=8", found: null, absent: false, fields: {}, ...fields };
}

test("what an offer lacks is said in words", () => {
  assert.equal(missText(miss({ found: 9, fields: { price: 9 } })), "it has 9");
  assert.equal(missText(miss({ absent: true, fields: { price: null } })), "it has no price");
  assert.equal(
    missText(miss({ condition: "not has price", found: 9, fields: { price: 9 } })),
    "which it does",
  );
  assert.equal(
    missText(miss({ condition: "(a=1 or b=2)", fields: { a: null, b: 3 } })),
    "it has no a, its b is 3",
  );
  assert.equal(missText(miss({ condition: "near (1, 2, 3km)", km: 12.3 })), "it is 12.3 km away");
});

test("attributes are what has no column of its own, whatever they hold", () => {
  const offer = {
    agent: "did:key:z1",
    host: "did:key:z2",
    service: "weather",
    protocol: "weather/1.0",
    price: 4,
    region: "at",
    place: { lat: 47, lon: 15 },
  } as unknown as Offer;
  assert.deepEqual(restOf(offer), [
    ["region", "at"],
    ["place", '{"lat":47,"lon":15}'],
  ]);
  assert.equal(valueText(null), "nothing");
  assert.equal(valueText(12345), "12,345");
});
