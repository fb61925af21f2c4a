/**
 * Dialogues as files (FORMAT.md): what a host told of one, with the evidence of each message. A file
 * comes from anywhere: what is not of the shape is refused with its place, and no unknown field is
 * taken in. Whether its messages are true is another question, which check.ts answers.
 */
import type {
  Definition,
  Dialogue,
  DialogueEvent,
  DialogueMessage,
  Json,
  TraceEvent,
} from "../feed/types";
import { refuse } from "../proof/refused";

export const FORMAT = "haggle-dialogue/1";
export const SIZE_MAX_BYTES = 64 * 1024 * 1024;
const MESSAGES_MAX = 10_000;
const EVENTS_MAX = 50_000;

export interface DialogueFile {
  exported_ms: number;
  /** The host that it comes from. */
  host: string;
  dialogue: Dialogue;
  definition?: Definition;
  messages: DialogueMessage[];
  events: TraceEvent[];
}

export function writeFile(told: DialogueEvent, host: string, exported_ms: number): string {
  const { dialogue, definition, messages, events } = told;
  const file = { format: FORMAT, exported_ms, host, dialogue, definition, messages, events };
  return JSON.stringify(file, null, 1) + "\n";
}

/** "dialogue-haggling-75212d8b.json" */
export function fileName(dialogue: Dialogue): string {
  const protocol = (dialogue.protocol ?? "unknown").replace(/[^a-z0-9._-]+/gi, "-").slice(0, 40);
  return `dialogue-${protocol}-${dialogue.thid.replace(/[^0-9a-f]/gi, "").slice(0, 8)}.json`;
}

// Reading -------------------------------------------------------------------------------------

type Object = { [key: string]: unknown };

/** What a field must be, and whether it may be absent ("?"); "drop": it is not taken in. */
type Kind = "string" | "number" | "string?" | "number?" | "boolean?" | "json" | "json?" | "drop";
type Kinds<T> = { [field in keyof T]-?: Kind | readonly string[] };

const DIALOGUE: Kinds<Dialogue> = {
  agent: "string",
  agent_did: "string?",
  peer: "string",
  peer_name: "string?",
  peer_alias: "string?",
  thid: "string",
  parent: "string?",
  protocol: "string?",
  opened_ms: "number",
  last_ms: "number",
  messages: "number",
  last: "string?",
  whole: "boolean?",
  state: ["open", "ended", "failed"],
  waits: "drop",
  cause: "string?",
  why: "string?",
  price: "number?",
  service: "string?",
  deal: "string?",
  deal_status: "string?",
};

const MESSAGE: Kinds<DialogueMessage> = {
  id: "string",
  time_ms: "number",
  direction: ["said", "heard"],
  from: "string",
  to: "string",
  from_name: "string?",
  to_name: "string?",
  type: "string",
  performative: "string",
  body: "json",
  missing: "string?",
  size: "number",
  state: "string",
  code: "string?",
  why: "string?",
  evidence: "string?",
  unproved: "string?",
};

const EVENT: Kinds<TraceEvent> = {
  order: "number?",
  agent: "string?",
  time_ms: "number",
  what: "string",
  name: "string",
  thread: "string?",
  message: "string?",
  peer: "string?",
  peer_name: "string?",
  parent: "string?",
  due_ms: "number?",
  code: "string?",
  why: "string?",
  number: "number?",
  attempt: "number?",
  took_us: "number?",
  said: "number?",
  timers: "number?",
  end: "string?",
  for: "string?",
  waits: "json?",
  dead: "number?",
  row: "number?",
};

function isObject(value: unknown): value is Object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function read<T>(value: unknown, kinds: Kinds<T>, place: string): T {
  if (!isObject(value)) return refuse("malformed", `${place}: an object is expected`);
  const out: Object = {};
  for (const [field, kind] of Object.entries(kinds) as [string, Kind | readonly string[]][]) {
    if (kind === "drop") continue;
    const found = Object.hasOwn(value, field) ? value[field] : undefined;
    const where = `${place}.${field}`;
    if (found === undefined || (found === null && String(kind).endsWith("?"))) {
      if (kind === "json") out[field] = null;
      else if (!String(kind).endsWith("?")) refuse("malformed", `${where} is missing`);
      continue;
    }
    out[field] = checked(found, kind, where);
  }
  return out as T;
}

function checked(value: unknown, kind: Kind | readonly string[], where: string): unknown {
  if (kind === "json" || kind === "json?") return value as Json;
  if (typeof kind !== "string") {
    if (kind.includes(value as string)) return value;
    return refuse("malformed", `${where}: one of ${kind.join(", ")} is expected`);
  }
  const type = kind.replace("?", "");
  // JSON has 1e999, which is no number to count with.
  if (typeof value !== type || value === Infinity || value === -Infinity)
    refuse("malformed", `${where}: a ${type} is expected`);
  return value;
}

function readList<T>(value: unknown, kinds: Kinds<T>, place: string, most: number): T[] {
  if (!Array.isArray(value)) return refuse("malformed", `${place}: a list is expected`);
  if (value.length > most) refuse("too_large", `${place}: more than ${most}`);
  return value.map((item, index) => read(item, kinds, `${place}[${index}]`));
}

export function readFile(text: string): DialogueFile {
  if (text.length > SIZE_MAX_BYTES) refuse("too_large", "a file of more than 64 MiB");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    refuse("malformed", "this is no JSON");
  }
  if (!isObject(json) || typeof json["format"] !== "string")
    return refuse("malformed", "this is no file of a dialogue");
  if (json["format"] !== FORMAT)
    refuse("bad_type", `a file of the format “${json["format"].slice(0, 40)}”, not “${FORMAT}”`);
  const { exported_ms, host, definition } = json;
  if (typeof exported_ms !== "number" || !Number.isFinite(exported_ms))
    refuse("malformed", "exported_ms: a number is expected");
  if (typeof host !== "string") refuse("malformed", "host: a string is expected");
  if (definition !== undefined && !isObject(definition))
    refuse("malformed", "definition: an object is expected");
  return {
    exported_ms,
    host,
    dialogue: read(json["dialogue"], DIALOGUE, "dialogue"),
    ...(definition !== undefined && { definition: definition as Definition }),
    messages: readList(json["messages"], MESSAGE, "messages", MESSAGES_MAX),
    events: readList(json["events"] ?? [], EVENT, "events", EVENTS_MAX),
  };
}
