/** Values (SPEC.md §3): what the body of a message can hold, read from CBOR and shown as JSON. */
import { base64url, compare, type Bytes } from "./bytes";
import { Reader } from "./cbor";
import { refuse } from "./refused";

export type Value =
  | { kind: "int"; value: bigint }
  | { kind: "double"; value: number }
  | { kind: "text"; text: string }
  | { kind: "bytes"; bytes: Bytes }
  | { kind: "bool"; value: boolean }
  | { kind: "null" }
  | { kind: "list"; items: Value[] }
  | { kind: "map"; entries: [key: string, value: Value][] };

const DEPTH_MAX = 32;
const ITEMS_MAX = 65536;
const INTEGER_MAX = 2n ** 63n - 1n;
const PLAIN_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** One whole value; the reader stands behind it then. */
export function readValue(reader: Reader): Value {
  return readItem({ reader, items: 0 }, 0);
}

interface Walk {
  reader: Reader;
  items: number;
}

/** `depth`: the lists and maps around this item. */
function readItem(walk: Walk, depth: number): Value {
  const item = walk.reader.next();
  if (++walk.items > ITEMS_MAX) refuse("too_large", `more than ${ITEMS_MAX} values`);
  if (item.kind === "int" && item.value > INTEGER_MAX)
    refuse("bad_value", "an integer above 2^63-1");
  if (item.kind !== "list" && item.kind !== "map") return item;
  if (depth === DEPTH_MAX) refuse("too_deep", `more than ${DEPTH_MAX} nested lists and maps`);
  if (item.kind === "map") return readMap(walk, item.count, depth + 1);
  const items: Value[] = [];
  for (let i = 0; i < item.count; i++) items.push(readItem(walk, depth + 1));
  return { kind: "list", items };
}

function readMap(walk: Walk, count: number, depth: number): Value {
  const { reader } = walk;
  const entries: [string, Value][] = [];
  let previous: Bytes | undefined;
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    const key = reader.next();
    if (key.kind !== "text") return refuse("bad_value", "a map key that is not text");
    const encoded = reader.bytes.subarray(start, reader.at);
    const order = previous ? compare(previous, encoded) : -1;
    if (order === 0) refuse("duplicate_key", "a map names a key twice");
    if (order > 0) refuse("not_deterministic", "the keys of a map are out of order");
    previous = encoded;
    entries.push([key.text, readItem(walk, depth)]);
  }
  return { kind: "map", entries };
}

export function decodeValue(bytes: Bytes): Value {
  const reader = new Reader(bytes);
  const value = readValue(reader);
  reader.end("value");
  return value;
}

// As JSON -------------------------------------------------------------------------------------

function wrap(key: "$int" | "$bytes", text: string): string {
  return `{"${key}":${JSON.stringify(text)}}`;
}

/** A double always has a fraction or an exponent, so that nobody takes it for an integer. */
export function doubleText(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return /[.e]/.test(text) ? text : text + ".0";
}

function escapeKey(key: string): string {
  return key.startsWith("$") ? "$" + key : key;
}

/** The JSON of SPEC.md §3, in the order of map keys; with `indent`, over several lines. */
export function jsonText(value: Value, indent = 0): string {
  return print(value, indent, "\n");
}

function print(value: Value, indent: number, line: string): string {
  switch (value.kind) {
    case "int":
      return value.value >= -PLAIN_MAX && value.value <= PLAIN_MAX
        ? String(value.value)
        : wrap("$int", String(value.value));
    case "double":
      return doubleText(value.value);
    case "text":
      return JSON.stringify(value.text);
    case "bytes":
      return wrap("$bytes", base64url(value.bytes));
    case "bool":
      return String(value.value);
    case "null":
      return "null";
    case "list":
      return bracket("[", "]", indent, line, value.items, (item, inner) =>
        print(item, indent, inner),
      );
    case "map":
      return bracket(
        "{",
        "}",
        indent,
        line,
        value.entries,
        ([key, item], inner) =>
          `${JSON.stringify(escapeKey(key))}:${indent ? " " : ""}${print(item, indent, inner)}`,
      );
  }
}

function bracket<T>(
  open: string,
  close: string,
  indent: number,
  line: string,
  items: T[],
  show: (item: T, inner: string) => string,
): string {
  if (items.length === 0) return open + close;
  if (!indent) return open + items.map((item) => show(item, line)).join(",") + close;
  const inner = line + " ".repeat(indent);
  return open + items.map((item) => inner + show(item, inner)).join(",") + line + close;
}

/** The same as what JSON.parse makes of the text, where 1 and 1.0 are one. */
export function plainJson(value: Value): unknown {
  return JSON.parse(jsonText(value));
}

/**
 * Where JSON that someone else made of a value differs from it ("body.price"), or undefined. JSON
 * read by a browser does not tell 1 from 1.0, so neither does this.
 */
export function difference(value: Value, json: unknown, place = "body"): string | undefined {
  return differenceOf(plainJson(value), json, place);
}

export function differenceOf(ours: unknown, theirs: unknown, place: string): string | undefined {
  if (ours === theirs) return undefined;
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    if (ours.length !== theirs.length) return place;
    for (let i = 0; i < ours.length; i++) {
      const found = differenceOf(ours[i], theirs[i], `${place}[${i}]`);
      if (found) return found;
    }
    return undefined;
  }
  if (!isObject(ours) || !isObject(theirs)) return place;
  for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const inner = `${place}.${key}`;
    if (!Object.hasOwn(ours, key) || !Object.hasOwn(theirs, key)) return inner;
    const found = differenceOf(ours[key], theirs[key], inner);
    if (found) return found;
  }
  return undefined;
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
