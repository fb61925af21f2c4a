import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, hex, utf8, type Bytes } from "../../src/proof/bytes";
import { didOf, keyOf } from "../../src/proof/did";
import { readHeader } from "../../src/proof/batch";
import { verifyConflict } from "../../src/proof/conflict";
import { verifyCose } from "../../src/proof/cose";
import { readDelegation, verifyDelegation } from "../../src/proof/delegation";
import { isGoodKey, verifySignature } from "../../src/proof/ed25519";
import { verifyEvidence } from "../../src/proof/evidence";
import { sha256 } from "../../src/proof/merkle";
import { codeOf } from "./refuses";
import { vectors } from "./vectors";

test("evidence of the vectors is proved, and says what they say", async () => {
  const all = vectors("valid", "evidence");
  assert.ok(all.length >= 6);
  for (const { name, json, bytes } of all) {
    const verdict = await verifyEvidence(bytes!);
    assert.equal(verdict.result, "proved", `${name}: ${verdict.why}`);
    assert.ok(
      verdict.steps.every((step) => step.ok),
      name,
    );
    const { envelope, header, group } = verdict.parts;
    assert.equal(didOf(envelope!.from), json.agent, name);
    assert.equal(didOf(envelope!.to), json.to, name);
    assert.equal(hex(envelope!.id), json.id, name);
    assert.equal(didOf(header!.host), json.host, name);
    assert.equal(header!.timeMs, json.time, name);
    assert.equal(didOf(group!.destination), json.destination, name);
    assert.equal(verdict.number, json.number, name);
  }
});

test("evidence that the vectors refuse is false, for the reason named", async () => {
  const all = vectors("invalid", "evidence");
  assert.ok(all.length >= 35);
  for (const { name, json, bytes } of all) {
    const verdict = await verifyEvidence(bytes!);
    assert.equal(verdict.result, "false", name);
    assert.equal(verdict.code, json.code, `${name}: ${verdict.why}`);
  }
});

test("no byte of valid evidence can be changed, added or removed", async () => {
  const { bytes } = vectors("valid", "evidence").find(({ name }) => name === "evidence-many")!;
  for (let at = 0; at < bytes!.length; at++) {
    const changed = bytes!.slice();
    changed[at]! ^= 1 << (at % 8);
    assert.equal((await verifyEvidence(changed)).result, "false", `byte ${at}`);
  }
  for (let size = 0; size < bytes!.length; size += 7)
    assert.equal((await verifyEvidence(bytes!.slice(0, size))).result, "false", `${size} bytes`);
  const longer = await verifyEvidence(concat(bytes!, Uint8Array.of(0)));
  assert.equal(longer.code, "trailing");
});

test("a false link leaves the others to be seen", async () => {
  const { bytes } = vectors("invalid", "evidence").find(({ name }) => name === "evidence-body")!;
  const { steps } = await verifyEvidence(bytes!);
  const wrong = steps.filter((step) => step.ok !== true).map((step) => step.name);
  assert.deepEqual(wrong, ["envelope_path"]);
  const path = steps.find((step) => step.name === "envelope_path")!;
  assert.ok(path.levels!.length > 0 && path.facts.some(([name]) => name === "root named"));
});

test("where the browser cannot check, nothing is claimed", async () => {
  const { bytes } = vectors("valid", "evidence")[0]!;
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "crypto")!;
  for (const [subtle, ability] of [
    [undefined, "insecure"],
    [{ importKey: () => Promise.reject(new DOMException("", "NotSupportedError")) }, "no_ed25519"],
    [{ importKey: () => Promise.resolve({}), verify: () => Promise.resolve(true) }, "no_ed25519"],
  ] as const) {
    Object.defineProperty(globalThis, "crypto", { value: { subtle }, configurable: true });
    try {
      // A module of its own: what a browser can is tried once.
      const { verdict } = await anew(bytes!);
      assert.equal(verdict.result, "unchecked");
      assert.equal(verdict.ability, ability);
      const byHash = verdict.steps.filter((step) => /signature|path/.test(step.name));
      assert.ok(byHash.every((step) => step.ok === null));
    } finally {
      Object.defineProperty(globalThis, "crypto", descriptor);
    }
  }
});

async function anew(
  bytes: Bytes,
): Promise<{ verdict: Awaited<ReturnType<typeof verifyEvidence>> }> {
  const { forgetAbility } = await import("../../src/proof/ed25519");
  forgetAbility();
  try {
    return { verdict: await verifyEvidence(bytes) };
  } finally {
    forgetAbility();
  }
}

test("delegations and headers of the vectors are read and verified", async () => {
  for (const { name, json } of vectors("valid", "delegation")) {
    const delegation = readDelegation(fromHex(json.cose as string));
    await verifyDelegation(delegation);
    assert.equal(didOf(delegation.agent), json.iss, name);
    assert.equal(didOf(delegation.host), json.sub, name);
    assert.equal(delegation.expiresS, json.exp, name);
    assert.equal(delegation.issuedS, json.iat, name);
    assert.equal(delegation.sequence, json.sequence, name);
  }
  for (const { name, json } of vectors("valid", "header")) {
    const bytes = fromHex(json.cose as string);
    const header = readHeader(bytes);
    await verifyCose(header.cose, header.host);
    assert.equal(hex(await sha256(bytes)), json.hash, name);
    assert.equal(hex(header.root), json.root, name);
    assert.equal(header.groupCount, json.group_count, name);
  }
});

test("signed text of the vectors verifies, and with S above L it does not", async () => {
  for (const { name, json } of vectors("valid", "signed-text")) {
    const key = keyOf(json.did as string);
    const text = concat(
      new TextEncoder().encode("haggle-signed-text:"),
      fromHex(json.text as string),
    );
    const signature = fromHex(json.signature as string);
    await verifySignature(key, text, signature);
    const malleable = addL(signature);
    assert.equal(await codeOf(() => verifySignature(key, text, malleable)), "bad_signature", name);
  }
});

/** The same S once more around the group. */
function addL(signature: Bytes): Bytes {
  let S = 2n ** 252n + 27742317777372353535851937790883648493n;
  for (let i = 0; i < 32; i++) S += BigInt(signature[32 + i]!) << BigInt(8 * i);
  const sum = signature.slice();
  for (let i = 32; i < 64; i++, S >>= 8n) sum[i] = Number(S & 255n);
  return sum;
}

// The eight points of small order, and the same with y + p where that fits (not canonical).
const SMALL_ORDER = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

test("keys and R of small order, and not canonical ones, are refused", async () => {
  const { json } = vectors("valid", "signed-text")[0]!;
  const key = keyOf(json.did as string);
  const signature = fromHex(json.signature as string);
  for (const point of SMALL_ORDER.map(fromHex)) {
    assert.equal(isGoodKey(point), false, hex(point));
    // With S = 0, R = A = the neutral element fits every message where nobody looks.
    const nothing = concat(point, new Uint8Array(32));
    assert.equal(await codeOf(() => verifySignature(point, key, nothing)), "bad_signature");
    const other = concat(point, signature.subarray(32));
    assert.equal(await codeOf(() => verifySignature(key, key, other)), "bad_signature");
  }
});

test("a key of mixed order is refused", () => {
  // The base point plus the point of order 2: x and y negated.
  const P = 2n ** 255n - 19n;
  let y = P - ((4n * inverse(5n, P)) % P);
  const bytes = new Uint8Array(32);
  for (let i = 0; i < 32; i++, y >>= 8n) bytes[i] = Number(y & 255n);
  assert.equal(isGoodKey(bytes), false);
  bytes[31]! |= 0x80;
  assert.equal(isGoodKey(bytes), false);
});

test("what a lax browser lets pass is refused all the same", async () => {
  const { json } = vectors("valid", "signed-text")[0]!;
  const key = keyOf(json.did as string);
  const signature = fromHex(json.signature as string);
  const lax = {
    importKey: () => Promise.resolve({}),
    verify: () => Promise.resolve(true),
  };
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "crypto")!;
  Object.defineProperty(globalThis, "crypto", { value: { subtle: lax }, configurable: true });
  try {
    const text = utf8("whatever");
    await verifySignature(key, text, signature);
    assert.equal(await codeOf(() => verifySignature(key, text, addL(signature))), "bad_signature");
    for (const point of SMALL_ORDER.map(fromHex)) {
      const R = concat(point, signature.subarray(32));
      assert.equal(await codeOf(() => verifySignature(key, text, R)), "bad_signature", hex(point));
      assert.equal(await codeOf(() => verifySignature(point, text, signature)), "bad_signature");
    }
    // An R of mixed order, which only the equation with the cofactor lets pass.
    const mixed = concat(negated(signature.subarray(0, 32)), signature.subarray(32));
    assert.equal(await codeOf(() => verifySignature(key, text, mixed)), "bad_signature");
  } finally {
    Object.defineProperty(globalThis, "crypto", descriptor);
  }
});

/** A point plus the one of order 2: x and y negated. */
function negated(encoded: Uint8Array): Bytes {
  const P = 2n ** 255n - 19n;
  let y = 0n;
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt(encoded[i]!);
  const sign = y >> 255n;
  y = P - (y & ((1n << 255n) - 1n));
  y |= (1n - sign) << 255n;
  const bytes = new Uint8Array(32);
  for (let i = 0; i < 32; i++, y >>= 8n) bytes[i] = Number(y & 255n);
  return bytes;
}

function inverse(a: bigint, p: bigint): bigint {
  let result = 1n;
  for (let e = p - 2n, base = a; e > 0n; e >>= 1n, base = (base * base) % p)
    if (e & 1n) result = (result * base) % p;
  return result;
}

function conflict(a: Bytes, b: Bytes): Bytes {
  const mark = new TextEncoder().encode("haggle-conflict/1");
  const part = (key: number, bytes: Bytes): Bytes =>
    concat(Uint8Array.of(key, 0x59, bytes.length >> 8, bytes.length & 255), bytes);
  // Parts of 255 bytes or less have a shorter head.
  const fit = (key: number, bytes: Bytes): Bytes =>
    bytes.length > 255 ? part(key, bytes) : concat(Uint8Array.of(key, 0x58, bytes.length), bytes);
  return concat(Uint8Array.of(0xa3, 0x00, 0x71), mark, fit(1, a), fit(2, b));
}

test("two different headers of one sequence are a conflict, and one twice is none", async () => {
  const headers = new Map(
    vectors("valid", "header").map(({ name, json }) => [name, fromHex(json.cose as string)]),
  );
  const first = headers.get("header-first")!;
  const continues = headers.get("header-continues")!;
  const later = headers.get("header-later")!;
  assert.equal(await codeOf(() => verifyConflict(conflict(first, first))), "invalid");
  assert.equal(await codeOf(() => verifyConflict(conflict(first, later))), "invalid");
  const mixed = conflict(first, fromHex(vectors("valid", "delegation")[0]!.json.cose as string));
  assert.equal(await codeOf(() => verifyConflict(mixed)), "bad_type");
  const found = await verifyConflict(conflict(first, continues));
  assert.equal(found.kind, "fork");
  assert.equal(found.sequence, 1);
  assert.equal(didOf(found.subject), didOf(readHeader(first).host));
});
