import assert from "node:assert/strict";
import test from "node:test";
import { sumsOf, tradeOf, tradesOf } from "../../src/deals/trade";
import type { Deal } from "../../src/feed/types";

function deal(fields: object): Deal {
  return {
    id: "0f3a",
    service: "telemetry.load",
    price: 4,
    rounds: 3,
    role: "buyer",
    counterparty: "did:key:zSeller",
    with: "did:key:zSeller",
    status: "delivered",
    messages: ["a", "b"],
    agent: "ann",
    time_ms: 10,
    ...fields,
  } as Deal;
}

const other = {
  role: "seller",
  agent: "kiosk",
  counterparty: "did:key:zBuyer",
  with: "ann",
  messages: ["b", "c"],
};

test("the two records of a deal between agents of one host are one deal", () => {
  for (const records of [
    [deal({ with: "kiosk" }), deal({ ...other, time_ms: 9 })],
    [deal({ ...other, time_ms: 9 }), deal({ with: "kiosk" })],
  ]) {
    const trades = tradesOf(records);
    assert.equal(trades.length, 1);
    const [trade] = trades;
    assert.equal(trade?.keeper, "ann");
    assert.deepEqual(trade?.buyer, { name: "ann", here: true });
    assert.deepEqual(trade?.seller, { name: "kiosk", here: true, did: "did:key:zSeller" });
    assert.deepEqual(trade?.messages, ["a", "b", "c"]);
    assert.equal(trade?.records.length, 2);
  }
});

test("an agent of another host goes by the name that its advert claims, and is still not of this host", () => {
  const [known, unknown] = [tradeOf(deal({ with_alias: "kiosk" })), tradeOf(deal({}))];
  assert.deepEqual(known.seller, { name: "kiosk", here: false, did: "did:key:zSeller" });
  assert.equal(unknown.seller?.name, "did:key:zSeller");
  const here = tradeOf(deal({ with: "shop", with_alias: "kiosk" }));
  assert.deepEqual([here.seller?.name, here.seller?.here], ["shop", true]);
});

test("a breach that one side records counts, else what was recorded last", () => {
  const breach = deal({ ...other, status: "breached", why: "late", time_ms: 1 });
  assert.equal(tradesOf([deal({}), breach])[0]?.status, "breached");
  assert.equal(tradesOf([deal({}), breach])[0]?.why, "late");
  const agreed = deal({ ...other, status: "agreed", time_ms: 1 });
  assert.equal(tradesOf([agreed, deal({})])[0]?.status, "delivered");
  assert.equal(
    tradesOf([deal({ status: "agreed", time_ms: 1 }), deal({ ...other })])[0]?.status,
    "delivered",
  );
});

test("a record of a script may hold anything, or nothing", () => {
  const odd = tradeOf({ id: "x", status: "odd", agent: "ann", time_ms: 1 } as unknown as Deal);
  assert.equal(odd.price, null);
  assert.equal(odd.service, "");
  assert.equal(odd.buyer, undefined);
  const wild = tradeOf(
    deal({
      service: { a: 1 },
      price: "4",
      rounds: null,
      role: "both",
      with: 7,
      messages: "none",
      why: [],
      counterparty: null,
    }),
  );
  assert.equal(wild.service, "");
  assert.equal(wild.price, null);
  assert.deepEqual(wild.messages, []);
  assert.equal(wild.seller, undefined);
  assert.equal(tradeOf(deal({ price: { $int: "9007199254740993" } })).price, 9007199254740992);
  assert.equal(tradeOf(deal({ messages: ["a", 7, null] })).messages.length, 1);
});

test("services are summed, the busiest first, the latest price being the last", () => {
  const sums = sumsOf(
    tradesOf([
      deal({ id: "1", price: 4, time_ms: 1 }),
      deal({ id: "2", price: 8, time_ms: 2, status: "breached" }),
      deal({ id: "3", service: "weather", price: null, time_ms: 3 }),
    ]),
  );
  assert.deepEqual(sums, [
    { service: "telemetry.load", deals: 2, breached: 1, last: 8, least: 4, most: 8, mean: 6 },
    { service: "weather", deals: 1, breached: 0, last: null, least: null, most: null, mean: null },
  ]);
});
