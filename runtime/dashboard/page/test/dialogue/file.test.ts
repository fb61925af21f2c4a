import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkMessage } from "../../src/dialogue/check";
import { fileName, readFile, writeFile, type DialogueFile } from "../../src/dialogue/file";
import { base64url, fromBase64url } from "../../src/proof/bytes";
import { codeOf } from "../proof/refuses";
import { makeDialogue } from "./made";

function written(file: DialogueFile): string {
  return writeFile(file, file.host, file.exported_ms);
}

test("what is exported is imported as it was, and proved", async () => {
  const file = await makeDialogue(5);
  const read = readFile(written(file));
  assert.deepEqual(read, file);
  for (const message of read.messages) {
    const check = await checkMessage(message, read.dialogue.thid);
    assert.equal(check.state, "proved", check.why);
  }
  assert.equal(fileName(file.dialogue), "dialogue-haggling-1-5eed0000.json");
});

test("whatever is changed of a message is false, and the place is named", async () => {
  const { messages, dialogue } = await makeDialogue(3);
  const message = messages[1]!;
  const spoilt: [string, Partial<typeof message>][] = [
    ["body.price", { body: { price: 7, note: "fair" } }],
    ["body.tip", { body: { price: 99, note: "fair", tip: 1 } }],
    ["body", { body: null }],
    ["type", { type: "haggling/1/accept" }],
    ["from", { from: message.to }],
    ["to", { to: message.from }],
    ["id", { id: messages[2]!.id }],
    ["id", { evidence: messages[2]!.evidence! }],
  ];
  for (const [place, change] of spoilt) {
    const check = await checkMessage({ ...message, ...change }, dialogue.thid);
    assert.equal(check.state, "false", place);
    assert.ok(check.why!.endsWith(`: ${place}`), check.why);
  }
  const other = await checkMessage(message, messages[1]!.id);
  assert.ok(other.state === "false" && other.why!.endsWith(": thid"));
});

test("evidence that was changed is false, and a message without it is not proved", async () => {
  const { messages, dialogue } = await makeDialogue(2);
  const message = messages[1]!;
  const bytes = fromBase64url(message.evidence!);
  bytes[bytes.length - 5]! ^= 1;
  for (const evidence of [base64url(bytes), "no base64!", "", "AAAA"])
    assert.equal((await checkMessage({ ...message, evidence }, dialogue.thid)).state, "false");
  const { evidence: _, ...bare } = message;
  assert.equal((await checkMessage(bare, dialogue.thid)).state, "missing");
});

test("a file of another shape is refused, with the place", async () => {
  const good = JSON.parse(written(await makeDialogue(2)));
  const refused = async (change: (file: typeof good) => void, code: string, place: RegExp) => {
    const file = structuredClone(good);
    change(file);
    const text = JSON.stringify(file);
    assert.equal(await codeOf(() => readFile(text)), code, String(place));
    assert.throws(() => readFile(text), place);
  };
  await refused((file) => (file.format = "haggle-dialogue/2"), "bad_type", /haggle-dialogue\/2/);
  await refused((file) => delete file.format, "malformed", /no file of a dialogue/);
  await refused((file) => delete file.dialogue.thid, "malformed", /dialogue\.thid is missing/);
  await refused((file) => (file.dialogue.state = "odd"), "malformed", /dialogue\.state: one of/);
  await refused((file) => (file.messages[1].time_ms = "1"), "malformed", /messages\[1\]\.time_ms/);
  await refused((file) => (file.messages = {}), "malformed", /messages: a list/);
  await refused((file) => (file.definition = []), "malformed", /definition/);
  await refused((file) => (file.events = [1]), "malformed", /events\[0\]/);
  for (const field of ["exported_ms", "opened_ms", "time_ms", "size"]) {
    const endless = JSON.stringify(good).replace(new RegExp(`("${field}":)\\d+`), "$1-1e999");
    assert.throws(() => readFile(endless), new RegExp(`${field}: a number`));
  }
  assert.equal(await codeOf(() => readFile("no json")), "malformed");
  assert.equal(await codeOf(() => readFile("[]")), "malformed");
  assert.equal(await codeOf(() => readFile("null")), "malformed");
});

test("fields that no dialogue has are not taken in", async () => {
  const good = JSON.parse(written(await makeDialogue(2)));
  good.messages[0]["onclick"] = "x";
  good.dialogue["__proto__x"] = { a: 1 };
  const read = readFile(JSON.stringify(good));
  assert.ok(!("onclick" in read.messages[0]!) && !("__proto__x" in read.dialogue));
});

test("the file that FORMAT.md shows can be read", () => {
  const page = readFileSync(join(process.env.PAGE_FOLDER ?? ".", "FORMAT.md"), "utf8");
  const [, example = ""] = /```json\n([^`]*)```/.exec(page) ?? [];
  const shown = JSON.parse(example);
  const read = readFile(example);
  // Nothing in it is unknown to the reader.
  const { format, ...rest } = shown;
  assert.deepEqual(read, rest);
});
