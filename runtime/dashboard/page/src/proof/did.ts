/** did:key (SPEC.md §2): the text of an Ed25519 public key, one for each key and no other. */
import { equal, type Bytes } from "./bytes";
import { refuse } from "./refused";

const SCHEME = "did:key:z";
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const DIGITS = 47;
const PREFIX = Uint8Array.of(0xed, 0x01); // multicodec ed25519-pub
const KEY_SIZE = 32;

export function didOf(key: Uint8Array): string {
  let number = 0n;
  for (const byte of [...PREFIX, ...key]) number = (number << 8n) | BigInt(byte);
  let digits = "";
  for (let i = 0; i < DIGITS; i++, number /= 58n) digits = ALPHABET[Number(number % 58n)] + digits;
  return SCHEME + digits;
}

/** The key in it. That it is a good one (ed25519.ts) is not checked here. */
export function keyOf(did: string): Bytes {
  if (!did.startsWith(SCHEME) || did.length !== SCHEME.length + DIGITS)
    refuse("malformed", "no did:key of an Ed25519 key (“did:key:z6Mk…”)");
  let number = 0n;
  for (const digit of did.slice(SCHEME.length)) {
    const value = ALPHABET.indexOf(digit);
    if (value < 0) refuse("malformed", "a did:key that is not base58");
    number = number * 58n + BigInt(value);
  }
  const bytes = new Uint8Array(PREFIX.length + KEY_SIZE);
  for (let i = bytes.length - 1; i >= 0; i--, number >>= 8n) bytes[i] = Number(number & 255n);
  if (number !== 0n || !equal(bytes.subarray(0, PREFIX.length), PREFIX))
    refuse("malformed", "a did:key of another kind of key than Ed25519");
  return bytes.subarray(PREFIX.length);
}
