import assert from "node:assert/strict";
import { test } from "node:test";
import { evidenceIn } from "../../src/evidence/input";
import { base64url, concat, hex, utf8 } from "../../src/proof/bytes";
import { verifyEvidence } from "../../src/proof/evidence";
import { codeOf } from "./refuses";
import { vectors } from "./vectors";

const [ONE, TWO] = vectors("valid", "evidence").map(({ bytes }) => bytes!);

test("evidence is found in whatever form it comes", async () => {
  const text = base64url(ONE!);
  const forms = [
    ONE!,
    text,
    ` ${text.slice(0, 70)}\n${text.slice(70)}\n`,
    hex(ONE!),
    utf8(text),
    JSON.stringify(text),
    JSON.stringify({ evidence: text }),
    JSON.stringify({ ok: true, result: { evidence: [text] } }),
  ];
  for (const form of forms) {
    const [found] = evidenceIn(form);
    assert.equal((await verifyEvidence(found!)).result, "proved");
  }
});

test("that of a deal is a list", () => {
  const list = concat(Uint8Array.of(0x82), ONE!, TWO!);
  for (const form of [list, base64url(list), JSON.stringify({ evidence: base64url(list) })])
    assert.deepEqual(evidenceIn(form).map(hex), [hex(ONE!), hex(TWO!)]);
  const texts = JSON.stringify({ evidence: [base64url(ONE!), base64url(TWO!)] });
  assert.equal(evidenceIn(texts).length, 2);
});

test("what is no evidence is refused with a reason", async () => {
  for (const input of ["", "   ", "{}", "{oops", "[]", "not base64url, is it?", new Uint8Array(0)])
    assert.ok(await codeOf(() => evidenceIn(input)), String(input));
  assert.equal(await codeOf(() => evidenceIn(Uint8Array.of(0x80))), "malformed");
  assert.equal(await codeOf(() => evidenceIn(Uint8Array.of(0x82, 0x01))), "truncated");
});
