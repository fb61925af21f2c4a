// The forms of an ask: what a declared protocol lets one open a dialogue with, and how what was typed becomes the
// JSON projection of a body. Pure, and tested.
import type { Definition, Json } from "../../feed/types";

export type RuleType =
  "any" | "boolean" | "bytes" | "did" | "integer" | "list" | "map" | "number" | "string";

export interface Field {
  name: string;
  type: RuleType;
  optional: boolean;
  min: number | null;
  max: number | null;
  choices: Json[] | null;
  of: string | null;
}

export interface Form {
  /** protocol/version/performative */
  type: string;
  /** null: any body will do, and is typed as JSON. */
  fields: Field[] | null;
  replies: string[];
}

const TYPES = new Set<string>([
  "any",
  "boolean",
  "bytes",
  "did",
  "integer",
  "list",
  "map",
  "number",
  "string",
]);

function isObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** Of the definitions of call agent.protocols, and of the types that are handled without one. */
export function formsOf(protocols: Definition[], handlers: string[]): Form[] {
  const forms: Form[] = [];
  for (const protocol of protocols) {
    if (!isObject(protocol.messages)) continue;
    for (const [performative, message] of Object.entries(protocol.messages)) {
      if (!isObject(message) || message.opening !== true) continue;
      forms.push({
        type: `${protocol.name}/${protocol.version}/${performative}`,
        fields: isObject(message.body) ? fieldsOf(message.body) : null,
        replies: texts(message.replies),
      });
    }
  }
  for (const type of handlers) forms.push({ type, fields: null, replies: [] });
  return forms;
}

function fieldsOf(body: { [key: string]: Json }): Field[] {
  const fields = Object.entries(body).map(([name, rule]): Field => {
    const of = isObject(rule) ? rule : {};
    return {
      name,
      type: typeof of.type === "string" && TYPES.has(of.type) ? (of.type as RuleType) : "any",
      optional: of.optional === true,
      min: typeof of.min === "number" ? of.min : null,
      max: typeof of.max === "number" ? of.max : null,
      choices: Array.isArray(of.one_of) ? of.one_of : null,
      of: typeof of.of === "string" ? of.of : null,
    };
  });
  // What has to be said comes first.
  return fields.sort((a, b) => Number(a.optional) - Number(b.optional));
}

/** "integer, 0 to 1000, or nothing" */
export function hintOf(field: Field): string {
  const bounds =
    field.min !== null && field.max !== null
      ? `, ${field.min} to ${field.max}`
      : field.min !== null
        ? `, at least ${field.min}`
        : field.max !== null
          ? `, at most ${field.max}`
          : "";
  const size =
    ["string", "bytes", "list", "map"].includes(field.type) && bounds !== "" ? " in size" : "";
  const of = field.of === null ? "" : ` of ${field.of}`;
  return `${field.type}${of}${bounds}${size}${field.optional ? ", or nothing" : ""}`;
}

export class Wrong extends Error {
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}

/** The value that was typed; undefined: nothing was. Throws Wrong. */
export function valueOf(field: Field, typed: string): Json | undefined {
  const text = ["string", "any"].includes(field.type) ? typed : typed.trim();
  if (text === "") {
    if (field.optional) return undefined;
    if (field.type === "string") return "";
    throw new Wrong(field.name, "has to be said");
  }
  switch (field.type) {
    case "string":
    case "did":
      return text;
    case "boolean":
      return text === "true";
    case "integer":
      return integerOf(field.name, text);
    case "number":
      return numberOf(field.name, text);
    case "bytes":
      if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new Wrong(field.name, "is base64url");
      return { $bytes: text };
    default:
      return jsonOf(field, text);
  }
}

function integerOf(name: string, text: string): Json {
  if (!/^-?\d{1,19}$/.test(text)) throw new Wrong(name, "is a whole number");
  const value = Number(text);
  // JavaScript has no such integers; the projection writes them as text.
  return Number.isSafeInteger(value) ? value : { $int: BigInt(text).toString() };
}

function numberOf(name: string, text: string): Json {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Wrong(name, "is a number");
  return value;
}

function jsonOf(field: Field, text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    // Of what may be anything, a word is a text.
    if (field.type === "any") return text;
    throw new Wrong(field.name, "is not JSON");
  }
  if (field.type === "list" && !Array.isArray(value))
    throw new Wrong(field.name, "is a list: [ … ]");
  if (field.type === "map" && !isObject(value)) throw new Wrong(field.name, "is a map: { … }");
  return value;
}

/** The body of a form; undefined: none. Throws Wrong. */
export function bodyOf(form: Form, typed: Record<string, string>): Json | undefined {
  if (form.fields === null) {
    const text = (typed[""] ?? "").trim();
    if (text === "") return undefined;
    try {
      return JSON.parse(text) as Json;
    } catch {
      throw new Wrong("", "The body is not JSON.");
    }
  }
  const body: { [key: string]: Json } = {};
  for (const field of form.fields) {
    const choice = field.choices?.find((one) => JSON.stringify(one) === typed[field.name]);
    const value = choice ?? valueOf(field, typed[field.name] ?? "");
    // A key that begins with $ gets one more in the projection.
    if (value !== undefined)
      body[field.name.startsWith("$") ? `$${field.name}` : field.name] = value;
  }
  return body;
}
