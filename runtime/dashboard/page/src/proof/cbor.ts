/**
 * Deterministic CBOR (RFC 8949 §4.2.1, SPEC.md §1): a cursor that refuses every encoding but the
 * one permitted. No tags, no NaN or infinities, no indefinite lengths; text is valid UTF-8.
 */
import type { Bytes } from "./bytes";
import { Refused, refuse } from "./refused";

export type Item =
  | { kind: "int"; value: bigint } // −2^63 … 2^64 − 1
  | { kind: "bytes"; bytes: Bytes }
  | { kind: "text"; text: string }
  | { kind: "list"; count: number }
  | { kind: "map"; count: number } // pairs
  | { kind: "bool"; value: boolean }
  | { kind: "null" }
  | { kind: "double"; value: number };

const NAMES: Record<Item["kind"], string> = {
  int: "an integer",
  bytes: "a byte string",
  text: "text",
  list: "a list",
  map: "a map",
  bool: "true or false",
  null: "null",
  double: "a float",
};

const MAJOR_TAG = 6;
const MAJOR_OTHER = 7;

/** The largest number of the protocol: what every JSON reader holds exactly. */
export const COUNTER_MAX = Number.MAX_SAFE_INTEGER;

// A byte order mark is text like any other, not to be dropped.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader {
  private readonly view: DataView;
  at = 0;

  constructor(readonly bytes: Bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** The next item: its head, and the content of bytes and text. */
  next(): Item {
    if (this.left === 0) refuse("truncated", "the data ends where an item should begin");
    const initial = this.bytes[this.at]!;
    const major = initial >> 5;
    const info = initial & 31;
    if (major === MAJOR_OTHER) return this.simple(info);
    if (info === 31 && major >= 2 && major <= 5)
      refuse("not_deterministic", "an item of indefinite length");
    if (info > 27)
      refuse("malformed", `no CBOR item begins with 0x${initial.toString(16).padStart(2, "0")}`);
    const argument = this.argument(info);
    switch (major) {
      case 0:
        return { kind: "int", value: argument };
      case 1:
        if (argument >= 1n << 63n) refuse("bad_value", "an integer below -2^63");
        return { kind: "int", value: -1n - argument };
      case 2:
        return { kind: "bytes", bytes: this.take(argument) };
      case 3:
        return { kind: "text", text: decodeUtf8(this.take(argument)) };
      case MAJOR_TAG:
        return refuse("bad_value", "a tagged value");
      default:
        return this.counted(major === 4 ? "list" : "map", argument);
    }
  }

  private argument(info: number): bigint {
    if (info < 24) {
      this.at++;
      return BigInt(info);
    }
    const size = 1 << (info - 24);
    if (this.left < 1 + size) refuse("truncated", "the data ends within an item");
    let argument = 0n;
    for (let i = 1; i <= size; i++) argument = (argument << 8n) | BigInt(this.bytes[this.at + i]!);
    const least = size === 1 ? 24n : 1n << BigInt(4 * size);
    if (argument < least)
      refuse("not_deterministic", "a length or integer in more bytes than it needs");
    this.at += 1 + size;
    return argument;
  }

  private take(size: bigint): Bytes {
    if (size > BigInt(this.left)) refuse("truncated", "the data ends within an item");
    const start = this.at;
    this.at += Number(size);
    return this.bytes.subarray(start, this.at);
  }

  /** An announced count is believed only as far as the bytes that are left could hold it. */
  private counted(kind: "list" | "map", count: bigint): Item {
    if (count > BigInt(kind === "map" ? this.left >> 1 : this.left))
      refuse("truncated", "the data ends within a list or map");
    return { kind, count: Number(count) };
  }

  private simple(info: number): Item {
    if (info >= 25 && info <= 27) return this.float(1 << (info - 24));
    if (info === 31) refuse("malformed", "a break outside an item of indefinite length");
    if (info >= 28) refuse("malformed", `no CBOR item begins with 0x${(0xe0 | info).toString(16)}`);
    if (info < 20 || info > 22)
      refuse("bad_value", "a simple value other than true, false and null");
    this.at++;
    return info === 22 ? { kind: "null" } : { kind: "bool", value: info === 21 };
  }

  private float(size: number): Item {
    if (this.left < 1 + size) refuse("truncated", "the data ends within an item");
    const at = this.at + 1;
    const value =
      size === 2
        ? fromHalf(this.view.getUint16(at))
        : size === 4
          ? this.view.getFloat32(at)
          : this.view.getFloat64(at);
    if (!Number.isFinite(value)) refuse("bad_value", "a float that is not finite");
    if (floatSize(value) !== size)
      refuse("not_deterministic", "a float in more bytes than it needs");
    this.at += 1 + size;
    return { kind: "double", value };
  }

  // What must be of a certain kind: `malformed` else -----------------------------------------

  private expect<K extends Item["kind"]>(what: string, kind: K): Extract<Item, { kind: K }> {
    const item = this.named(what);
    if (item.kind !== kind)
      refuse("malformed", `${what}: expected ${NAMES[kind]}, found ${NAMES[item.kind]}`);
    return item as Extract<Item, { kind: K }>;
  }

  private named(what: string): Item {
    if (this.left > 0 && this.bytes[this.at]! >> 5 === MAJOR_TAG)
      refuse("malformed", `${what}: a tag, where none belongs`);
    try {
      return this.next();
    } catch (error) {
      if (error instanceof Refused) throw new Refused(error.code, `${what}: ${error.message}`);
      throw error;
    }
  }

  int(what: string): bigint {
    return this.expect(what, "int").value;
  }

  /** A number of the protocol, at most 2^53 − 1. */
  uint(what: string, most = COUNTER_MAX): number {
    const value = this.int(what);
    if (value < 0n) refuse("malformed", `${what}: expected a non-negative integer`);
    if (value > BigInt(most)) refuse("malformed", `${what}: ${value} is above ${most}`);
    return Number(value);
  }

  byteString(what: string, sizeMax: number): Bytes {
    const { bytes } = this.expect(what, "bytes");
    if (bytes.length > sizeMax)
      refuse("too_large", `${what}: ${bytes.length} bytes, at most ${sizeMax} are permitted`);
    return bytes;
  }

  fixed(what: string, size: number): Bytes {
    const { bytes } = this.expect(what, "bytes");
    if (bytes.length !== size)
      refuse("malformed", `${what}: ${bytes.length} bytes, expected ${size}`);
    return bytes;
  }

  text(what: string, sizeMax: number): string {
    const start = this.at;
    const { text } = this.expect(what, "text");
    if (this.at - start > sizeMax + headSize(sizeMax))
      refuse("too_large", `${what}: at most ${sizeMax} bytes are permitted`);
    return text;
  }

  list(what: string, countMax: number): number {
    return this.count(what, "list", countMax);
  }

  map(what: string, countMax: number): number {
    return this.count(what, "map", countMax);
  }

  private count(what: string, kind: "list" | "map", countMax: number): number {
    const { count } = this.expect(what, kind);
    if (count > countMax)
      refuse("too_large", `${what}: ${count} entries, at most ${countMax} are permitted`);
    return count;
  }

  /** A list of exactly so many. */
  tuple(what: string, count: number): void {
    const found = this.list(what, Infinity);
    if (found !== count) refuse("malformed", `${what} has ${count} parts, here are ${found}`);
  }

  /**
   * The next key of a map whose keys are non-negative integers, as those of all objects of the
   * protocol. `previous`: the key before it, −1 before the first.
   */
  key(what: string, previous: bigint): bigint {
    const key = this.int(`${what}'s key`);
    if (key < 0n || key >= 1n << 63n) refuse("malformed", `${what}: ${key} is no key`);
    if (key === previous) refuse("duplicate_key", `${what}: key ${key} twice`);
    if (key < previous) refuse("not_deterministic", `${what}: key ${key} after ${previous}`);
    return key;
  }

  /**
   * A map of exactly the keys `first` … `last`: `read` is called for each, in order. The last
   * `optional` keys may be absent.
   */
  fields(
    what: string,
    first: number,
    last: number,
    read: (key: number) => void,
    optional = 0,
  ): void {
    const most = last - first + 1;
    const count = this.map(what, Infinity);
    if (count > most || count < most - optional)
      refuse("malformed", `${what} has ${most - optional} fields, here are ${count}`);
    let previous = -1n;
    for (let expected = first; expected < first + count; expected++) {
      previous = this.key(what, previous);
      if (previous !== BigInt(expected))
        refuse("malformed", `${what}: key ${previous} where ${expected} belongs`);
      read(expected);
    }
  }

  end(what: string): void {
    if (this.left > 0) refuse("trailing", `${what}: ${this.left} bytes too many`);
  }
}

function decodeUtf8(bytes: Bytes): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return refuse("bad_value", "text that is not valid UTF-8");
  }
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Bytes of the shortest float that holds a finite number: 2, 4 or 8. */
export function floatSize(value: number): number {
  if (Math.fround(value) !== value) return 8;
  const size = Math.abs(value);
  if (size === 0) return 2;
  if (size > 65504) return 4;
  // The distance between neighbouring halves: 2^-24 among the smallest, else by the exponent.
  const step = 2 ** Math.max(-24, Math.floor(Math.log2(size)) - 10);
  return Number.isInteger(size / step) ? 2 : 4;
}

// Writing what is signed or hashed ------------------------------------------------------------

/** The head of an item: major type and argument, as short as it can be. */
export function head(major: number, argument: number | bigint): Bytes {
  const number = BigInt(argument);
  if (number < 24n) return Uint8Array.of((major << 5) | Number(number));
  const size = number < 1n << 8n ? 1 : number < 1n << 16n ? 2 : number < 1n << 32n ? 4 : 8;
  const bytes = new Uint8Array(1 + size);
  bytes[0] = (major << 5) | (24 + Math.log2(size));
  for (let i = 0; i < size; i++) bytes[size - i] = Number((number >> BigInt(8 * i)) & 255n);
  return bytes;
}

export function headSize(argument: number): number {
  return head(0, argument).length;
}
