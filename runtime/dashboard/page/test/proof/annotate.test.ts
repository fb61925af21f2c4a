import assert from "node:assert/strict";
import { test } from "node:test";
import { annotateEnvelope, annotateEvidence } from "../../src/proof/annotate";
import { fromHex } from "../../src/proof/bytes";
import { vectors } from "./vectors";

const MANY = vectors("valid", "evidence").find(({ name }) => name === "evidence-many")!.bytes!;

test("every byte of evidence stands in one row, in order", () => {
  let at = 0;
  for (const row of annotateEvidence(MANY)) {
    assert.equal(row.at, at, row.name);
    assert.equal(row.bad, undefined);
    at += row.size;
  }
  assert.equal(at, MANY.length);
});

test("fields are named as the protocol names them", () => {
  const rows = annotateEvidence(MANY);
  const means = (name: string): string[] =>
    rows.filter((row) => row.name === name).map((row) => row.means);
  assert.deepEqual(means("first number"), ["700"]);
  assert.deepEqual(means("group count"), ["3"]);
  assert.deepEqual(means("time"), ["1790000000000 = 2026-09-21T14:13:20.000Z"]);
  assert.deepEqual(means("mark"), ['"haggle-evidence/1"']);
  assert.equal(means("hash").length, 5);
  assert.match(means("from")[0]!, /^did:key:z6Mk/);
});

test("what is wrong is shown where it is wrong", () => {
  const rows = annotateEvidence(MANY.slice(0, 400));
  const last = rows.at(-1)!;
  assert.ok(last.bad && last.means.includes("truncated"));
  assert.equal(last.at + last.size, 400);
  const { json } = vectors("invalid", "envelope").find(({ name }) => name === "envelope-trailing")!;
  assert.ok(annotateEnvelope(fromHex(json.input as string)).at(-1)!.bad);
});
