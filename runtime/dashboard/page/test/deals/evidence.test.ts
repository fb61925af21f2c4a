import assert from "node:assert/strict";
import test from "node:test";
import "../proof/webcrypto";
import { contradiction } from "../../src/deals/evidence";
import { tradeOf } from "../../src/deals/trade";
import { checkOffer } from "../../src/directory/proof";
import type { Deal, Offer } from "../../src/feed/types";
import type { DealProof } from "../../src/proof/deal";
import { Identity } from "../proof/make";

const buyer = new Identity();
const seller = new Identity();

const proof = {
  id: "0f3a",
  service: "weather",
  price: 40n,
  buyer: buyer.key,
  seller: seller.key,
  deliver: {},
} as unknown as DealProof;

function differs(record: object, signed: object = {}): string | undefined {
  const trade = tradeOf({
    id: "0f3a",
    service: "weather",
    price: 40,
    role: "buyer",
    status: "delivered",
    agent: "ann",
    counterparty: seller.did,
    with: seller.did,
    ...record,
  } as Deal);
  return contradiction(trade, { ...proof, ...signed });
}

test("what a host records of a deal is compared with what was signed", () => {
  assert.equal(differs({}), undefined);
  assert.match(differs({ price: 39 }) ?? "", /39, 40 was signed/);
  assert.match(differs({ service: "cpu" }) ?? "", /another service/);
  assert.match(differs({ counterparty: buyer.did }) ?? "", /another seller/);
  assert.match(differs({ id: "ffff" }) ?? "", /another deal/);
  assert.match(differs({}, { deliver: undefined }) ?? "", /no evidence/);
  assert.equal(differs({ status: "agreed" }, { deliver: undefined }), undefined);
});

test("an offer is proved only if the agent signed exactly that", () => {
  const signed = {
    check: { state: "proved" as const },
    offers: [
      { service: "weather", protocol: "weather/1.0", price: 4, place: { lat: 47, lon: 15 } },
    ],
    advert: undefined,
  };
  const offer = {
    agent: buyer.did,
    host: seller.did,
    name: "kiosk",
    version: 7,
    expires_ms: 9,
    service: "weather",
    protocol: "weather/1.0",
    price: 4,
    place: { lat: 47, lon: 15 },
  } as unknown as Offer;
  assert.equal(checkOffer(offer, signed).state, "proved");
  assert.equal(checkOffer({ ...offer, price: 3 }, signed).state, "false");
  assert.equal(checkOffer({ ...offer, region: "at" }, signed).state, "false");
  const { price: _, ...less } = offer;
  assert.equal(checkOffer(less, signed).state, "false");
  const unproved = { ...signed, check: { state: "unchecked" as const } };
  assert.equal(checkOffer(offer, unproved).state, "unchecked");
});
