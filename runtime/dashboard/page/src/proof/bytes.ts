/** Bytes as text and back; comparing and joining them. */
import { refuse } from "./refused";

export type Bytes = Uint8Array<ArrayBuffer>;

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Bytewise; of two that agree as far as the shorter goes, the shorter is first. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

export function concat(...pieces: Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text) as Bytes;
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

export function fromHex(text: string): Bytes {
  if (!/^([0-9a-f]{2})*$/i.test(text)) refuse("malformed", "not hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const DIGITS = new Map([...ALPHABET].map((digit, value) => [digit, value]));

/** base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let digit = 0; digit <= Math.min(left, 3); digit++)
      pieces.push(ALPHABET[(word >> (18 - 6 * digit)) & 63]!);
  }
  return pieces.join("");
}

/** One text for each byte string: no padding, no spare bits, nothing between the digits. */
export function fromBase64url(text: string): Bytes {
  if (text.length % 4 === 1) refuse("malformed", "base64url: a length that no bytes have");
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const digit of text) {
    const value = DIGITS.get(digit);
    if (value === undefined) refuse("malformed", `base64url: ${JSON.stringify(digit)} is no digit`);
    word = ((word << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = word >> bits;
  }
  if (word & ((1 << bits) - 1)) refuse("malformed", "base64url: spare bits that are not zero");
  return bytes;
}
