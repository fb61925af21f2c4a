import assert from "node:assert/strict";
import test from "node:test";
import { judgeDeal } from "../../src/proof/deal";
import { decodeEnvelope, type Envelope } from "../../src/proof/envelope";
import { envelopeOf, Identity, type Draft } from "./make";
import { codeOf } from "./refuses";

const T = 1_795_000_000_000;
const DEAL = "0f3a".padEnd(32, "0");
const buyer = new Identity();
const seller = new Identity();
const stranger = new Identity();

type Change = Partial<Omit<Draft, "body">> & { body?: object };

async function refuses(code: string, act: () => unknown): Promise<void> {
  assert.equal(await codeOf(act), code);
}

let count = 0;

function draft(performative: string, from: Identity, change: Change = {}): Draft {
  const { body, ...rest } = change;
  const terms = {
    buyer: buyer.did,
    deal: DEAL,
    price: 40,
    seller: seller.did,
    service: "telemetry.load",
    within: 60_000,
  };
  const bodies: { [name: string]: object } = {
    bid: { price: 30 },
    accept: { ...terms, confirm_by: T + 10_000 },
    confirm: terms,
    deliver: { deal: DEAL, result: { load: 1 } },
    received: { deal: DEAL },
    decline: { why: "no", code: "sold_out" },
  };
  return {
    id: String(++count).padStart(32, "a"),
    thid: DEAL,
    type: `market/1.0/${performative}`,
    from,
    to: from === buyer ? seller : buyer,
    timeMs: T + count,
    body: { ...bodies[performative], ...body },
    ...rest,
  };
}

async function said(performative: string, from: Identity, change: Change = {}): Promise<Envelope> {
  return decodeEnvelope(await envelopeOf(draft(performative, from, change)));
}

async function both(accept: Change = {}, confirm: Change = {}): Promise<Envelope[]> {
  return [await said("accept", seller, accept), await said("confirm", buyer, confirm)];
}

test("both signatures under the same terms are a deal, with what came of it", async () => {
  const pieces = [
    await said("bid", buyer),
    ...(await both()),
    await said("deliver", seller),
    await said("received", buyer),
  ];
  const deal = judgeDeal(pieces);
  assert.equal(deal.id, DEAL);
  assert.equal(deal.service, "telemetry.load");
  assert.equal(deal.price, 40n);
  assert.equal(deal.withinMs, 60_000);
  assert.deepEqual(deal.buyer, buyer.key);
  assert.deepEqual(deal.seller, seller.key);
  assert.equal(deal.deliver, pieces[3]);
  assert.equal(deal.received, pieces[4]);
  assert.equal(deal.decline, undefined);
  assert.equal(judgeDeal([...pieces, pieces[1]!]).price, 40n, "the same message twice is one");
});

test("a missing signature is named", async () => {
  const [accept, confirm] = await both();
  await refuses("not_found", () => judgeDeal([]));
  await refuses("not_found", () => judgeDeal([accept!]));
  await refuses("not_found", () => judgeDeal([confirm!]));
});

test("terms that differ in anything are no deal", async () => {
  for (const body of [
    { price: 41 },
    { service: "telemetry.cpu" },
    { within: 60_001 },
    { buyer: stranger.did },
    { seller: stranger.did },
  ]) {
    const pieces = await both({}, { body });
    await refuses("invalid", () => judgeDeal(pieces));
  }
});

test("terms have to be whole", async () => {
  for (const body of [
    { price: 40.5 },
    { price: -1 },
    { price: 1e16 },
    { within: 0 },
    { service: "" },
    { service: "x".repeat(201) },
    { buyer: 7 },
  ]) {
    const pieces = await both({ body }, { body });
    await refuses("malformed", () => judgeDeal(pieces));
  }
});

test("who said it, to whom and in which thread has to fit", async () => {
  const alone = [await said("accept", seller), await said("confirm", seller)];
  await refuses("protocol_violation", () => judgeDeal(alone));
  const named = { body: { seller: stranger.did } };
  const others = await both(named, named);
  await refuses("invalid", () => judgeDeal(others));
  const elsewhere = await both({}, { thid: "ff".repeat(16) });
  await refuses("invalid", () => judgeDeal(elsewhere));
  const third = await both({}, { to: stranger });
  await refuses("invalid", () => judgeDeal(third));
  const named_other = await both({ body: { deal: "00".repeat(16) } });
  await refuses("invalid", () => judgeDeal(named_other));
  for (const [performative, from] of [
    ["deliver", buyer],
    ["received", seller],
    ["bid", seller],
    ["counter", buyer],
  ] as const) {
    const pieces = [...(await both()), await said(performative, from)];
    await refuses("protocol_violation", () => judgeDeal(pieces));
  }
  const foreign = [...(await both()), await said("bid", buyer, { type: "other/1.0/bid" })];
  await refuses("invalid", () => judgeDeal(foreign));
});

test("a confirmation that comes too late is none; a clock may be two minutes ahead", async () => {
  const end = T + 10_000 + 120_000;
  assert.ok(judgeDeal(await both({}, { timeMs: end })));
  const late = await both({}, { timeMs: end + 1 });
  await refuses("expired", () => judgeDeal(late));
});

test("two different acceptances of one deal are refused", async () => {
  const pieces = [...(await both()), await said("accept", seller)];
  await refuses("invalid", () => judgeDeal(pieces));
});
