/**
 * Definitions of protocols (SPEC.md §9): their digest, which the opening of a dialogue carries, and
 * what may be said next.
 */
import { compare, concat, fromBase64url, utf8, type Bytes } from "./bytes";
import { floatSize, head } from "./cbor";
import { sha256 } from "./merkle";
import { Refused, refuse } from "./refused";

const [UINT, NEGATIVE, BYTES, TEXT, LIST, MAP] = [0, 1, 2, 3, 4, 5] as const;
const DEPTH_MAX = 32;
const WIDEST_INTEGRAL = 2 ** 53;

/**
 * The digest of a definition in canonical form, given as JSON. JSON read by a browser does not tell
 * 1 from 1.0; the canonical form writes integers wherever both mean the same, and so does this.
 */
export async function definitionDigest(definition: unknown): Promise<Bytes> {
  return sha256(encodeJson(definition));
}

/** The CBOR of a value in the JSON of SPEC.md §3, but for doubles with an integral value. */
export function encodeJson(json: unknown): Bytes {
  return encode(json, 0);
}

function encode(json: unknown, depth: number): Bytes {
  if (depth > DEPTH_MAX) refuse("too_deep", `more than ${DEPTH_MAX} nested lists and maps`);
  if (json === null) return Uint8Array.of(0xf6);
  if (typeof json === "boolean") return Uint8Array.of(json ? 0xf5 : 0xf4);
  if (typeof json === "string") return text(json);
  if (typeof json === "number") return number(json);
  if (Array.isArray(json))
    return concat(head(LIST, json.length), ...json.map((item) => encode(item, depth + 1)));
  if (typeof json === "object") return encodeObject(Object.entries(json), depth);
  return refuse("bad_value", "no JSON");
}

function text(value: string): Bytes {
  const bytes = utf8(value);
  return concat(head(TEXT, bytes.length), bytes);
}

function integer(value: bigint): Bytes {
  return value >= 0n ? head(UINT, value) : head(NEGATIVE, -1n - value);
}

function number(value: number): Bytes {
  if (Number.isInteger(value) && Math.abs(value) <= WIDEST_INTEGRAL) return integer(BigInt(value));
  if (!Number.isFinite(value)) refuse("bad_value", "a float that is not finite");
  const size = floatSize(value);
  const view = new DataView(new ArrayBuffer(size));
  if (size === 8) view.setFloat64(0, value);
  else if (size === 4) view.setFloat32(0, value);
  else view.setUint16(0, halfBits(value));
  const initial = size === 8 ? 0xfb : size === 4 ? 0xfa : 0xf9;
  return concat(Uint8Array.of(initial), new Uint8Array(view.buffer));
}

/** Of a number that fits: sign, exponent and fraction of the single precision, cut to size. */
function halfBits(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 255) - 112;
  if (exponent <= 0) return sign | (Math.abs(value) * 2 ** 24);
  return sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

function encodeObject(entries: [string, unknown][], depth: number): Bytes {
  const [only] = entries;
  if (entries.length === 1 && only) {
    const [key, inner] = only;
    if (key === "$int" && typeof inner === "string" && /^(0|-?[1-9]\d*)$/.test(inner))
      return integer(BigInt(inner));
    if (key === "$bytes" && typeof inner === "string") {
      const bytes = fromBase64url(inner);
      return concat(head(BYTES, bytes.length), bytes);
    }
  }
  const pairs = entries.map(([key, value]): [Bytes, Bytes] => {
    if (/^\$(?!\$)/.test(key)) refuse("bad_value", "a key that begins with a single “$”");
    return [text(key.replace(/^\$\$/, "$")), encode(value, depth + 1)];
  });
  pairs.sort(([a], [b]) => compare(a, b));
  return concat(head(MAP, pairs.length), ...pairs.flat());
}

/** Whether a definition is the one that a digest names; false too for what is none. */
export async function isDefinition(definition: unknown, digest: Bytes): Promise<boolean> {
  try {
    return compare(await definitionDigest(definition), digest) === 0;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

// What may be said next (SPEC.md §9.2) --------------------------------------------------------

/** Who said it: the side that opened the dialogue, or the other. */
export type Side = "opener" | "other";

export interface Said {
  type: string;
  side: Side;
}

/** By either side, at any point of any dialogue. */
const REFUSAL = "haggle/1.0/refuse";

function performativeOf(type: string): string {
  return type.slice(type.lastIndexOf("/") + 1);
}

export interface Move {
  performative: string;
  side: Side;
  /** Of the side that may say it: "buyer". */
  role: string;
  withinMs?: number; // that this side has, since the last message
}

interface MessageRule {
  replies: string[];
  follows: string[];
  opening: boolean;
  from: string | null;
  within: number | null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function names(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((name): name is string => typeof name === "string")
    : [];
}

/** A definition comes from a host or a file: nothing in it is taken for granted. */
function ruleOf(definition: unknown, performative: string): MessageRule | undefined {
  const messages = isObject(definition) ? definition["messages"] : undefined;
  if (!isObject(messages) || !Object.hasOwn(messages, performative)) return undefined;
  const rule = messages[performative];
  if (!isObject(rule)) return undefined;
  return {
    replies: names(rule["replies"]),
    follows: names(rule["follows"]),
    opening: rule["opening"] === true,
    from: typeof rule["from"] === "string" ? rule["from"] : null,
    within: typeof rule["within"] === "number" ? rule["within"] : null,
  };
}

function rolesOf(definition: unknown): Record<Side, string> {
  const [opener, other] = isObject(definition) ? names(definition["roles"]) : [];
  return { opener: opener ?? "initiator", other: other ?? "responder" };
}

export function otherSide(side: Side): Side {
  return side === "opener" ? "other" : "opener";
}

/** The moves that the definition permits after `last`; none: the dialogue has ended. */
export function nextMoves(definition: unknown, last: Said): Move[] {
  const rule = ruleOf(definition, performativeOf(last.type));
  if (!rule || last.type === REFUSAL) return [];
  const roles = rolesOf(definition);
  const moves: Move[] = [];
  const permit = (performatives: string[], side: Side, withinMs: number | null): void => {
    for (const performative of performatives) {
      const from = ruleOf(definition, performative)?.from;
      if (from && from !== roles[side]) continue;
      moves.push({ performative, side, role: roles[side], ...(withinMs !== null && { withinMs }) });
    }
  };
  permit(rule.replies, otherSide(last.side), rule.within);
  permit(rule.follows, last.side, null);
  return moves;
}

/** The first message that the definition does not permit where it stands, and what it does. */
export function violation(
  definition: unknown,
  said: Said[],
): { index: number; why: string } | undefined {
  for (const [index, message] of said.entries()) {
    const performative = performativeOf(message.type);
    const before = said[index - 1];
    if (!before) {
      if (ruleOf(definition, performative)?.opening) continue;
      return { index, why: `${performative} is no opening` };
    }
    const moves = nextMoves(definition, before);
    if (message.type === REFUSAL && moves.length > 0) continue;
    if (moves.some((move) => move.performative === performative && move.side === message.side))
      continue;
    const expected = [...new Set(moves.map((move) => move.performative))].join(", ");
    const why = expected ? `; expected: ${expected}` : ", which ends the dialogue";
    return { index, why: `${performative} does not follow ${performativeOf(before.type)}${why}` };
  }
  return undefined;
}
