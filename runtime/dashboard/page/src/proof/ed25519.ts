/**
 * Ed25519, as strictly as SPEC.md §2 has it, whatever the browser's own implementation lets pass.
 * The equation is checked by Web Crypto; what implementations differ in is checked here, before:
 *
 * - S is below L;
 * - R and the key are canonical encodings of points of the subgroup of prime order L, and not of
 *   the neutral element.
 *
 * With that, it does not matter either whether an implementation multiplies the equation with the
 * cofactor: all its points are of order L, where both forms say the same. A signature by the rules
 * always has such an R, since R = SB − kA.
 */
import type { Bytes } from "./bytes";
import { fromHex, utf8 } from "./bytes";
import { refuse } from "./refused";

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const SQRT_M1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;

/** Extended coordinates (RFC 8032 §5.1.4): x = X/Z, y = Y/Z, xy = T/Z. */
type Point = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint];

function mod(a: bigint): bigint {
  const rest = a % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base; exponent > 0n; exponent >>= 1n, square = mod(square * square))
    if (exponent & 1n) result = mod(result * square);
  return result;
}

/** RFC 8032 §5.1.3, and y below p. Undefined: no encoding of a point. */
function decodePoint(encoded: Uint8Array): Point | undefined {
  let y = littleEndian(encoded);
  const sign = y >> 255n;
  y &= (1n << 255n) - 1n;
  if (y >= P) return undefined;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  const v3 = mod(v * v * v);
  let x = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n));
  const check = mod(v * x * x);
  if (check === mod(-u) && u !== 0n) x = mod(x * SQRT_M1);
  else if (check !== u) return undefined;
  if (x === 0n && sign === 1n) return undefined;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function double([X, Y, Z]: Point): Point {
  const a = mod(X * X);
  const b = mod(Y * Y);
  const h = a + b;
  const e = h - mod((X + Y) ** 2n);
  const g = a - b;
  const f = mod(2n * Z * Z) + g;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function add([X1, Y1, Z1, T1]: Point, [X2, Y2, Z2, T2]: Point): Point {
  const a = mod((Y1 - X1) * (Y2 - X2));
  const b = mod((Y1 + X1) * (Y2 + X2));
  const c = mod(2n * D * mod(T1 * T2));
  const d = mod(2n * Z1 * Z2);
  const e = b - a;
  const f = d - c;
  const g = d + c;
  const h = b + a;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function isNeutral([X, Y, Z]: Point): boolean {
  return X === 0n && Y === Z;
}

function isOfFullOrder(point: Point): boolean {
  if (isNeutral(point)) return false;
  let sum = point;
  for (let bit = 251n; bit >= 0n; bit--) {
    sum = double(sum);
    if ((L >> bit) & 1n) sum = add(sum, point);
  }
  return isNeutral(sum);
}

function littleEndian(bytes: Uint8Array): bigint {
  let number = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) number = (number << 8n) | BigInt(bytes[i]!);
  return number;
}

/** The same keys and delegations come with one message after the other: what was found is kept. */
const judged = new Map<string, boolean>();
const JUDGED_MAX = 4096;

function isGoodPoint(encoded: Uint8Array): boolean {
  const name = String.fromCharCode(...encoded);
  const known = judged.get(name);
  if (known !== undefined) return known;
  const point = decodePoint(encoded);
  const good = point !== undefined && isOfFullOrder(point);
  if (judged.size >= JUDGED_MAX) judged.clear();
  judged.set(name, good);
  return good;
}

/** Whether a key is canonical and of full order. */
export function isGoodKey(key: Uint8Array): boolean {
  return isGoodPoint(key);
}

/** `bad_signature` unless `signature` (64 bytes) is by `key` over `message`. */
export async function verifySignature(key: Bytes, message: Bytes, signature: Bytes): Promise<void> {
  if (!isGoodKey(key)) refuse("bad_signature", "the key is not canonical or not of full order");
  if (littleEndian(signature.subarray(32)) >= L) refuse("bad_signature", "S is not below L");
  if (!isGoodPoint(signature.subarray(0, 32)))
    refuse("bad_signature", "the signature does not verify: its R is no sum of SB and kA");
  if (!(await verifyEquation(key, message, signature)))
    refuse("bad_signature", "the signature does not verify");
}

async function verifyEquation(key: Bytes, message: Bytes, signature: Bytes): Promise<boolean> {
  const algorithm = { name: "Ed25519" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["verify"]);
  return crypto.subtle.verify(algorithm, imported, signature, message);
}

/** What this browser can check here: all of it, or why nothing. */
export type Ability = "able" | "insecure" | "no_ed25519";

let ability: Promise<Ability> | undefined;

/** Web Crypto is there on https and loopback only, and Ed25519 not in every browser: tried once. */
export function canVerify(): Promise<Ability> {
  return (ability ??= tryOut());
}

async function tryOut(): Promise<Ability> {
  if (!globalThis.crypto?.subtle) return "insecure";
  try {
    // SPEC.md §11: a signature that is good, and good for nothing else.
    const key = fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const signature = fromHex(
      "ff085f563684cb28d1f4287af820188277cc822f58a92cc65e26d5861667b4b3" +
        "81445006cb66b9f99d48b48adcefa72fa17cfdb01ab94a3e6043ac187d8d060b",
    );
    const text = utf8("haggle-signed-text:paid: 40 to the north");
    const other = utf8("haggle-signed-text:paid: 41 to the north");
    const good = await verifyEquation(key, text, signature);
    return good && !(await verifyEquation(key, other, signature)) ? "able" : "no_ed25519";
  } catch {
    return "no_ed25519";
  }
}

/** For tests that take something away from the browser. */
export function forgetAbility(): void {
  ability = undefined;
}
