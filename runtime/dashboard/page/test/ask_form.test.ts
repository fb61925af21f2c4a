import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, formsOf, hintOf, Wrong, type Form } from "../src/views/agent/ask_form";
import type { Json } from "../src/feed/types";

const rule = (type: string, more: Record<string, Json> = {}): Json => ({
  of: null,
  max: null,
  min: null,
  type,
  one_of: null,
  optional: false,
  ...more,
});

const weather = {
  name: "weather",
  version: "1.0",
  roles: ["client", "server"],
  messages: {
    request: {
      opening: true,
      replies: ["forecast"],
      body: {
        days: rule("integer", { optional: true, min: 1, max: 7 }),
        place: rule("string", { min: 1, max: 80 }),
        unit: rule("string", { one_of: ["c", "f"] }),
      },
    },
    anything: { opening: true, replies: [], body: null },
    forecast: { opening: false, replies: [], body: {} },
  },
};

function form(type: string): Form {
  const found = formsOf([weather], ["greet/1.0/hello"]).find((one) => one.type === type);
  assert.ok(found !== undefined);
  return found;
}

function one(type: string, typed: string, more: Record<string, Json> = {}): Json | undefined {
  const definition = {
    name: "p",
    version: "1",
    messages: { m: { opening: true, replies: [], body: { x: rule(type, more) } } },
  };
  const [made] = formsOf([definition], []);
  assert.ok(made !== undefined);
  return (bodyOf(made, { x: typed }) as { x?: Json }).x;
}

test("only what opens a dialogue is a form, and what is handled without a declaration", () => {
  assert.deepEqual(
    formsOf([weather], ["greet/1.0/hello"]).map((one) => one.type),
    ["weather/1.0/request", "weather/1.0/anything", "greet/1.0/hello"],
  );
});

test("what has to be said comes first; the hint says what is expected", () => {
  const { fields } = form("weather/1.0/request");
  assert.deepEqual(
    fields?.map((field) => `${field.name}: ${hintOf(field)}`),
    ["place: string, 1 to 80 in size", "unit: string", "days: integer, 1 to 7, or nothing"],
  );
});

test("what is left out is not said, unless it has to be", () => {
  const request = form("weather/1.0/request");
  assert.deepEqual(bodyOf(request, { place: "Graz", unit: '"c"' }), { place: "Graz", unit: "c" });
  assert.throws(
    () => bodyOf(form("weather/1.0/request"), { place: "Graz", days: "soon", unit: '"c"' }),
    Wrong,
  );
});

test("values become what their type says, or the field is named", () => {
  assert.equal(one("integer", " 42 "), 42);
  assert.deepEqual(one("integer", "9007199254740993"), { $int: "9007199254740993" });
  assert.throws(() => one("integer", "4.5"), /whole number/);
  assert.throws(() => one("integer", ""), /has to be said/);
  assert.equal(one("number", "0.5"), 0.5);
  assert.throws(() => one("number", "1e999"), /number/);
  assert.equal(one("boolean", "false"), false);
  assert.deepEqual(one("bytes", "AP8"), { $bytes: "AP8" });
  assert.throws(() => one("bytes", "a+/="), /base64url/);
  assert.deepEqual(one("list", "[1]"), [1]);
  assert.throws(() => one("list", "{}"), /list/);
  assert.throws(() => one("map", "[]"), /map/);
  assert.equal(one("any", "hello"), "hello");
  assert.deepEqual(one("any", '{"a":1}'), { a: 1 });
  assert.equal(one("string", "  kept as typed "), "  kept as typed ");
});

test("a body without a declaration is JSON, or none", () => {
  const free = form("greet/1.0/hello");
  assert.equal(bodyOf(free, {}), undefined);
  assert.deepEqual(bodyOf(free, { "": '{"name":"you"}' }), { name: "you" });
  assert.throws(() => bodyOf(free, { "": "{" }), /not JSON/);
});

test("a hostile definition makes no form, and breaks nothing", () => {
  const strange = {
    name: "p",
    version: "1",
    messages: { a: 7, b: { opening: true, body: { x: 3 } } },
  };
  const [made, ...none] = formsOf([strange, { name: "q", version: "1" }], []);
  assert.equal(none.length, 0);
  assert.equal(made?.fields?.[0]?.type, "any");
});
