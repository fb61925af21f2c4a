import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, hex, utf8 } from "../../src/proof/bytes";
import { floatSize, Reader } from "../../src/proof/cbor";
import { decodeEnvelope, envelopeJson } from "../../src/proof/envelope";
import { didOf, keyOf } from "../../src/proof/did";
import { isGoodKey } from "../../src/proof/ed25519";
import { refuse } from "../../src/proof/refused";
import { decodeValue, difference, jsonText, plainJson } from "../../src/proof/value";
import { codeOf } from "./refuses";
import { vectors } from "./vectors";

test("values are read as the vectors have them", () => {
  const all = vectors("valid", "value");
  assert.ok(all.length >= 10);
  for (const { name, json } of all) {
    const value = decodeValue(fromHex(json.cbor as string));
    assert.deepEqual(plainJson(value), json.json, name);
    assert.equal(difference(value, json.json), undefined, name);
  }
});

test("values that the vectors refuse are refused, for the reason named", async () => {
  const all = vectors("invalid", "value");
  assert.ok(all.length >= 20);
  for (const { name, json } of all)
    assert.equal(await codeOf(() => decodeValue(fromHex(json.input as string))), json.error, name);
});

test("integers, doubles and wrapped values keep their difference in text", () => {
  const text = (cbor: string): string => jsonText(decodeValue(fromHex(cbor)));
  assert.equal(text("82" + "01" + "f93c00"), "[1,1.0]");
  assert.equal(text("f98000"), "-0.0");
  assert.equal(text("1b0020000000000000"), '{"$int":"9007199254740992"}');
  assert.equal(text("43010203"), '{"$bytes":"AQID"}');
  assert.equal(text("a1" + "642469" + "6e74" + "6135"), '{"$$int":"5"}');
  assert.equal(text("a0"), "{}");
  assert.equal(jsonText(decodeValue(fromHex("a1616181f5")), 2), '{\n  "a": [\n    true\n  ]\n}');
});

test("a host's JSON that differs is found out, with its place", () => {
  // {"a": [1, {"b": "x"}]}
  const value = decodeValue(fromHex("a1" + "6161" + "82" + "01" + "a1" + "6162" + "6178"));
  assert.equal(difference(value, { a: [1, { b: "x" }] }), undefined);
  assert.equal(difference(value, { a: [1, { b: "y" }] }), "body.a[1].b");
  assert.equal(difference(value, { a: [2, { b: "x" }] }), "body.a[0]");
  assert.equal(difference(value, { a: [1, { b: "x" }, 0] }), "body.a");
  assert.equal(difference(value, { a: [1, { b: "x", c: null }] }), "body.a[1].c");
  assert.equal(difference(value, null), "body");
  // A key that objects inherit is no key of theirs.
  assert.equal(
    difference(decodeValue(fromHex("a0")), JSON.parse('{"__proto__":1}')),
    "body.__proto__",
  );
});

test("every half, and no other float, has two bytes", () => {
  const view = new DataView(new ArrayBuffer(2));
  for (let bits = 0; bits < 0x10000; bits++) {
    view.setUint16(0, bits);
    if (((bits >> 10) & 31) === 31) continue;
    const item = new Reader(Uint8Array.of(0xf9, bits >> 8, bits & 255)).next();
    assert.ok(item.kind === "double");
    assert.equal(floatSize(item.value), 2);
    const neighbour = item.value + Math.max(Math.abs(item.value), 2 ** -14) * 2 ** -20;
    assert.ok(floatSize(neighbour) > 2, `beside ${bits.toString(16)}`);
  }
  assert.equal(floatSize(65536), 4);
  assert.equal(floatSize(1e300), 8);
});

test("the long heads of numbers that fit a shorter one are refused", async () => {
  for (const long of ["1817", "1900ff", "1a0000ffff", "1b00000000ffffffff"])
    assert.equal(await codeOf(() => decodeValue(fromHex(long))), "not_deterministic", long);
  for (const short of ["17", "1818", "190100", "1a00010000", "1b0000000100000000"])
    assert.equal(await codeOf(() => decodeValue(fromHex(short))), undefined, short);
});

test("identities are read as the vectors have them", () => {
  for (const { name, json } of vectors("valid", "did")) {
    assert.equal(hex(keyOf(json.did as string)), json.key, name);
    assert.equal(didOf(fromHex(json.key as string)), json.did, name);
    assert.ok(isGoodKey(fromHex(json.key as string)), name);
  }
});

test("identities that the vectors refuse are refused", async () => {
  const read = (input: string): void => {
    const key = keyOf(new TextDecoder().decode(fromHex(input)));
    if (!isGoodKey(key)) refuse("bad_key", "");
  };
  for (const { name, json } of vectors("invalid", "did"))
    assert.equal(await codeOf(() => read(json.input as string)), json.error, name);
});

test("envelopes are read as the vectors have them", () => {
  const all = vectors("valid", "envelope");
  assert.ok(all.length >= 4);
  for (const { name, json } of all)
    assert.deepEqual(envelopeJson(decodeEnvelope(fromHex(json.cbor as string))), json.json, name);
});

test("envelopes that the vectors refuse are refused, for the reason named", async () => {
  const all = vectors("invalid", "envelope");
  assert.ok(all.length >= 15);
  for (const { name, json } of all)
    assert.equal(
      await codeOf(() => decodeEnvelope(fromHex(json.input as string))),
      json.error,
      name,
    );
});

test("random bytes are read or refused, and never anything else", async () => {
  let state = 0x2545f491;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  for (let round = 0; round < 3000; round++) {
    const bytes = Uint8Array.from({ length: random() % 40 }, random);
    await codeOf(() => decodeValue(bytes));
    await codeOf(() => decodeEnvelope(bytes));
  }
  assert.equal(jsonText(decodeValue(Uint8Array.of(0x62, ...utf8("ß")))), '"ß"');
});
