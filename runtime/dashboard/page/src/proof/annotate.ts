/**
 * Encoded objects byte by byte, with what each piece means: the hexadecimal view of a message. What
 * is not the one permitted encoding is shown up to where it goes wrong.
 */
import { hex, type Bytes } from "./bytes";
import { Reader } from "./cbor";
import { didOf } from "./did";
import { FIELD_NAMES } from "./envelope";
import { Refused } from "./refused";
import { doubleText } from "./value";

export interface Row {
  at: number; // offset from the beginning of the whole
  size: number;
  depth: number;
  /** What these bytes are: "header", "sequence", "price"; empty for the elements of a list. */
  name: string;
  /** What they say: "42", “telemetry.cpu”, "2026-11-28T…". */
  means: string;
  bad?: boolean;
}

/** Rows beyond these are not made: nobody reads them, and a body has up to 65,536 values. */
const ROWS_MAX = 2000;

/** How an object is to be read: its keys by name, what is inside its byte strings. */
interface Shape {
  name?: string;
  keys?: Record<string, Shape>;
  items?: Shape[];
  /** A byte string that holds another object. */
  inside?: Shape;
  as?: "did" | "time" | "seconds";
}

const HASH: Shape = { name: "hash" };

const HEADER_PAYLOAD: Shape = {
  name: "payload",
  keys: {
    1: { name: "host", as: "did" },
    2: { name: "incarnation" },
    3: { name: "sequence" },
    4: { name: "previous header" },
    5: { name: "root" },
    6: { name: "group count" },
    7: { name: "time", as: "time" },
    8: {
      name: "continues",
      items: [{ name: "incarnation" }, { name: "sequence" }, { name: "header" }],
    },
  },
};

const CLAIMS: Shape = {
  name: "payload",
  keys: {
    1: { name: "iss: the agent" },
    2: { name: "sub: the host" },
    4: { name: "exp: end", as: "seconds" },
    6: { name: "iat: issue", as: "seconds" },
    "-65537": { name: "sequence" },
  },
};

function cose(payload: Shape): Shape {
  const header: Shape = {
    name: "protected",
    keys: { 1: { name: "algorithm" }, 16: { name: "type" } },
  };
  return {
    items: [
      { name: "protected", inside: header },
      { name: "unprotected" },
      { name: "payload", inside: payload },
      { name: "signature" },
    ],
  };
}

function path(name: string): Shape {
  return { name, items: [{ name: "index" }, { name: "hashes", items: Array(16).fill(HASH) }] };
}

const DID_FIELDS = new Set(["from", "to"]);
const TIME_FIELDS = new Set(["created_time", "expires_time"]);

const ENVELOPE: Shape = {
  name: "envelope",
  keys: Object.fromEntries(
    FIELD_NAMES.map((name, key) => {
      const shape: Shape = name === undefined ? {} : { name };
      if (name && DID_FIELDS.has(name)) shape.as = "did";
      if (name && TIME_FIELDS.has(name)) shape.as = "time";
      return [key, shape];
    }),
  ),
};

const EVIDENCE: Shape = {
  name: "evidence",
  keys: {
    0: { name: "mark" },
    1: { name: "delegation", inside: cose(CLAIMS) },
    2: { name: "header", inside: cose(HEADER_PAYLOAD) },
    3: {
      name: "group leaf",
      inside: {
        keys: {
          1: { name: "destination", as: "did" },
          2: { name: "first number" },
          3: { name: "count" },
          4: { name: "previous group" },
          5: { name: "root" },
        },
      },
    },
    4: path("group path"),
    5: path("envelope path"),
    6: { name: "envelope", inside: ENVELOPE },
  },
};

export function annotateEvidence(bytes: Bytes): Row[] {
  return annotate(bytes, EVIDENCE);
}

export function annotateEnvelope(bytes: Bytes): Row[] {
  return annotate(bytes, ENVELOPE);
}

function annotate(bytes: Bytes, shape: Shape): Row[] {
  const walk = new Walk(bytes);
  walk.whole(bytes, 0, 0, shape);
  return walk.rows;
}

class Walk {
  readonly rows: Row[] = [];

  constructor(readonly all: Bytes) {}

  /** An object that fills `bytes`, which begin at `base` of the whole. */
  whole(bytes: Bytes, base: number, depth: number, shape: Shape): void {
    const reader = new Reader(bytes);
    try {
      this.item(reader, base, depth, shape, 0);
      reader.end("the end");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const means = `not read further: ${error.message} (${error.code})`;
      const at = base + reader.at;
      this.rows.push({ at, size: bytes.length - reader.at, depth, name: "", means, bad: true });
    }
  }

  /** One item; `keySize` bytes before it are its key, and belong to its row. */
  private item(reader: Reader, base: number, depth: number, shape: Shape, keySize: number): void {
    if (depth > 64) throw new Refused("too_deep", "nested too deep");
    const start = reader.at;
    const item = reader.next();
    const at = base + start - keySize;
    if (this.rows.length >= ROWS_MAX) throw new Refused("too_large", "the rest is not shown");
    const name = shape.name ?? "";
    if (item.kind === "bytes" && shape.inside) {
      const content = base + reader.at - item.bytes.length;
      const means = `${item.bytes.length} bytes`;
      this.rows.push({ at, size: content - at, depth, name, means });
      this.whole(item.bytes, content, depth + 1, { ...shape.inside, name: "" });
      return;
    }
    const means = meaning(item, shape);
    this.rows.push({ at, size: base + reader.at - at, depth, name, means });
    if (item.kind === "list")
      for (let i = 0; i < item.count; i++)
        this.item(reader, base, depth + 1, shape.items?.[i] ?? {}, 0);
    if (item.kind === "map")
      for (let i = 0; i < item.count; i++) this.entry(reader, base, depth + 1, shape);
  }

  private entry(reader: Reader, base: number, depth: number, shape: Shape): void {
    const start = reader.at;
    const key = reader.next();
    const text = key.kind === "text" ? key.text : key.kind === "int" ? String(key.value) : "?";
    const known = shape.keys && Object.hasOwn(shape.keys, text) ? shape.keys[text]! : {};
    const inner = { ...known, name: known.name ?? (shape.keys ? `key ${text}` : text) };
    this.item(reader, base, depth, inner, reader.at - start);
  }
}

function meaning(item: ReturnType<Reader["next"]>, shape: Shape): string {
  switch (item.kind) {
    case "int":
      return timeText(item.value, shape) ?? String(item.value);
    case "double":
      return doubleText(item.value);
    case "text":
      return JSON.stringify(item.text);
    case "bytes":
      return shape.as === "did" && item.bytes.length === 32 ? didOf(item.bytes) : hex(item.bytes);
    case "bool":
      return String(item.value);
    case "null":
      return "null";
    case "list":
      return `list of ${item.count}`;
    case "map":
      return `map of ${item.count}`;
  }
}

function timeText(value: bigint, shape: Shape): string | undefined {
  if (shape.as !== "time" && shape.as !== "seconds") return undefined;
  const date = new Date(Number(value) * (shape.as === "seconds" ? 1000 : 1));
  return Number.isNaN(date.getTime()) ? undefined : `${value} = ${date.toISOString()}`;
}
