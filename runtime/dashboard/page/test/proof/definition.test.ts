import assert from "node:assert/strict";
import { test } from "node:test";
import "./webcrypto";
import { fromHex, hex } from "../../src/proof/bytes";
import { decodeValue, plainJson } from "../../src/proof/value";
import {
  definitionDigest,
  encodeJson,
  isDefinition,
  nextMoves,
  violation,
  type Said,
  type Side,
} from "../../src/proof/definition";

const FIELD = { of: null, max: null, min: null, one_of: null, optional: false };
const RULE = { from: null, within: null, follows: [] as string[], opening: false };

/** SPEC.md §9.1. */
const WEATHER = {
  name: "weather",
  version: "1.0",
  roles: ["initiator", "responder"],
  messages: {
    request: {
      ...RULE,
      body: { city: { ...FIELD, type: "string" } },
      opening: true,
      replies: ["forecast"],
    },
    forecast: { ...RULE, body: { celsius: { ...FIELD, type: "number" } }, replies: [] },
  },
};
const DIGEST = "96e2b97799464f397562f166edeba0f4de8b11745287440e5af8d8df1734db3d";

test("the digest of SPEC's definition is SPEC's", async () => {
  assert.equal(hex(await definitionDigest(WEATHER)), DIGEST);
  assert.ok(await isDefinition(WEATHER, fromHex(DIGEST)));
  assert.ok(!(await isDefinition({ ...WEATHER, version: "1.1" }, fromHex(DIGEST))));
  assert.ok(!(await isDefinition({ $odd: 1, b: undefined }, fromHex(DIGEST))));
});

const HAGGLE = {
  name: "haggling",
  version: "1",
  roles: ["buyer", "seller"],
  messages: {
    ask: { ...RULE, opening: true, from: "buyer", replies: ["offer", "sorry"], within: 5000 },
    offer: { ...RULE, replies: ["offer", "accept"], from: null },
    accept: { ...RULE, from: "buyer", follows: ["pay"], replies: [] },
    pay: { ...RULE, replies: [] },
    sorry: { ...RULE, from: "seller", replies: [] },
  },
};

function said(performative: string, side: Side): Said {
  return { type: `haggling/1/${performative}`, side };
}

test("the next moves are those of the definition, by the side that may make them", () => {
  assert.deepEqual(nextMoves(HAGGLE, said("ask", "opener")), [
    { performative: "offer", side: "other", role: "seller", withinMs: 5000 },
    { performative: "sorry", side: "other", role: "seller", withinMs: 5000 },
  ]);
  // Only the buyer accepts: after its own offer it may not, that is for the other side to answer.
  assert.deepEqual(
    nextMoves(HAGGLE, said("offer", "opener")).map((move) => move.performative),
    ["offer"],
  );
  assert.deepEqual(nextMoves(HAGGLE, said("accept", "opener")), [
    { performative: "pay", side: "opener", role: "buyer" },
  ]);
  assert.deepEqual(nextMoves(HAGGLE, said("pay", "opener")), []);
  assert.deepEqual(nextMoves(HAGGLE, said("constructor", "opener")), []);
  assert.deepEqual(nextMoves({ messages: { ask: 3 } }, said("ask", "opener")), []);
});

test("a dialogue that breaks its definition is found out", () => {
  const opener = (performative: string) => said(performative, "opener");
  const other = (performative: string) => said(performative, "other");
  const refusal = { type: "haggle/1.0/refuse", side: "other" as const };
  const good = [opener("ask"), other("offer"), opener("offer"), other("offer"), opener("accept")];
  assert.equal(violation(HAGGLE, good), undefined);
  assert.equal(violation(HAGGLE, [opener("ask"), refusal]), undefined);
  assert.equal(violation(HAGGLE, [opener("ask"), other("sorry"), refusal])?.index, 2);
  assert.equal(violation(HAGGLE, [opener("offer")])?.index, 0);
  assert.equal(violation(HAGGLE, [opener("ask"), other("offer"), other("offer")])?.index, 2);
  assert.match(violation(HAGGLE, [...good, other("pay")])!.why, /expected: pay/);
});

test("numbers are encoded in their shortest form", async () => {
  const digest = async (json: unknown): Promise<string> => hex(await definitionDigest(json));
  assert.notEqual(await digest(1.5), await digest(1.25));
  assert.equal(await digest({ $int: "5" }), await digest(5));
  for (const number of [0.5, -0.1, 2 ** -24, 1.5 * 2 ** -24, 65504.5, 1e300, -1, 23, 24, 2 ** 40]) {
    // A value is only read in its shortest form.
    assert.equal(plainJson(decodeValue(encodeJson(number))), number);
  }
  assert.equal(await digest({ a: 1, bb: 2 }), await digest({ bb: 2, a: 1 }));
});
