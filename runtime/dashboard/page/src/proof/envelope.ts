/** Envelopes (SPEC.md §4): one message from one agent to one agent. */
import { equal, hex, type Bytes } from "./bytes";
import { Reader } from "./cbor";
import { didOf } from "./did";
import { HASH_SIZE } from "./merkle";
import { refuse, within } from "./refused";
import { jsonText, plainJson, readValue, type Value } from "./value";

export const ENVELOPE_SIZE_MAX = 1024 * 1024 + 4096;
const BODY_SIZE_MAX = 1024 * 1024;
const FIELDS_MAX = 64;
const TYPE_SIZE_MAX = 128;
const TRACEPARENT_SIZE_MAX = 64;
const ID_SIZE = 16;
const KEY_SIZE = 32;
const TYPE = /^([a-z0-9._-]{1,64})\/([0-9.]{1,64})\/([a-z0-9._-]{1,64})$/;

/** Keys of an envelope, and what they are called in its JSON. */
export const FIELD_NAMES = [
  undefined,
  "id",
  "type",
  "from",
  "to",
  "thid",
  "pthid",
  "created_time",
  "expires_time",
  "body",
  "definition",
  "traceparent",
] as const;
const REQUIRED = [1, 2, 3, 4, 7, 9];

export interface Envelope {
  id: Bytes;
  type: string;
  performative: string;
  from: Bytes;
  to: Bytes;
  thid?: Bytes; // absent in the one that opens the thread
  pthid?: Bytes;
  createdMs: number;
  expiresMs?: number;
  body: Value;
  definition?: Bytes;
  traceparent?: string;
}

export function decodeEnvelope(bytes: Bytes): Envelope {
  if (bytes.length > ENVELOPE_SIZE_MAX)
    refuse(
      "too_large",
      `envelope: ${bytes.length} bytes, at most ${ENVELOPE_SIZE_MAX} are permitted`,
    );
  const reader = new Reader(bytes);
  const count = reader.map("envelope", FIELDS_MAX);
  const fields: Partial<Envelope> = {};
  const seen = new Set<number>();
  let previous = -1n;
  for (let i = 0; i < count; i++) {
    previous = reader.key("envelope", previous);
    const key = previous > 127n ? 128 : Number(previous);
    readField(reader, key, fields);
    seen.add(key);
  }
  reader.end("envelope");
  for (const key of REQUIRED)
    if (!seen.has(key)) refuse("malformed", `envelope: ${FIELD_NAMES[key]} is missing`);
  return fields as Envelope;
}

function readField(reader: Reader, key: number, out: Partial<Envelope>): void {
  switch (key) {
    case 1:
      out.id = reader.fixed("id", ID_SIZE);
      break;
    case 2:
      readType(reader, out);
      break;
    case 3:
      out.from = reader.fixed("from", KEY_SIZE);
      break;
    case 4:
      out.to = reader.fixed("to", KEY_SIZE);
      break;
    case 5:
      out.thid = reader.fixed("thid", ID_SIZE);
      if (out.id && equal(out.thid, out.id))
        refuse("not_deterministic", "thid: equal to the id, so it must be absent");
      break;
    case 6:
      out.pthid = reader.fixed("pthid", ID_SIZE);
      break;
    case 7:
      out.createdMs = reader.uint("created_time");
      break;
    case 8:
      out.expiresMs = reader.uint("expires_time");
      if (out.expiresMs === 0) refuse("malformed", "expires_time: zero");
      break;
    case 9:
      out.body = readBody(reader);
      break;
    case 10:
      out.definition = reader.fixed("definition", HASH_SIZE);
      break;
    case 11:
      out.traceparent = reader.text("traceparent", TRACEPARENT_SIZE_MAX);
      if (!/^[!-~]+$/.test(out.traceparent))
        refuse("malformed", "traceparent: visible ASCII characters expected");
      break;
    default:
      if (key >= 64 && key <= 127) refuse("critical", `envelope: unknown critical field ${key}`);
      within("unknown field", () => readValue(reader));
  }
}

function readType(reader: Reader, out: Partial<Envelope>): void {
  const type = reader.text("type", TYPE_SIZE_MAX);
  const parts = TYPE.exec(type);
  if (!parts) return refuse("malformed", "type: no protocol/version/performative in lower case");
  out.type = type;
  out.performative = parts[3]!;
}

function readBody(reader: Reader): Value {
  const start = reader.at;
  const body = within("body", () => readValue(reader));
  if (reader.at - start > BODY_SIZE_MAX)
    refuse("too_large", `body: ${reader.at - start} bytes, at most ${BODY_SIZE_MAX} are permitted`);
  return body;
}

/** The thread that it is said in: its own id, if it opens one. */
export function threadOf(envelope: Envelope): Bytes {
  return envelope.thid ?? envelope.id;
}

/** The JSON of SPEC.md §4, its fields in the order of their keys; the body as text of JSON. */
export function envelopeFields(envelope: Envelope): [name: string, text: string][] {
  const { pthid, expiresMs, definition, traceparent } = envelope;
  const fields: [string, string | number | undefined][] = [
    ["id", hex(envelope.id)],
    ["type", envelope.type],
    ["from", didOf(envelope.from)],
    ["to", didOf(envelope.to)],
    ["thid", hex(threadOf(envelope))],
    ["pthid", pthid && hex(pthid)],
    ["created_time", envelope.createdMs],
    ["expires_time", expiresMs],
    ["definition", definition && hex(definition)],
    ["traceparent", traceparent],
  ];
  const shown: [string, string][] = [];
  for (const [name, field] of fields) {
    if (name === "definition") shown.push(["body", jsonText(envelope.body, 2)]);
    if (field !== undefined) shown.push([name, JSON.stringify(field)]);
  }
  return shown;
}

/** The same as an object, to compare with what a host says of the message. */
export function envelopeJson(envelope: Envelope): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const [name, text] of envelopeFields(envelope))
    json[name] = name === "body" ? plainJson(envelope.body) : JSON.parse(text);
  return json;
}
