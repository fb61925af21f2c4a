/** Evidence as people have it at hand: a .cbor file, base64url or hexadecimal text, JSON of `haggle export`. */
import { EVIDENCE_SIZE_MAX } from "../proof/evidence";
import { fromBase64url, fromHex, type Bytes } from "../proof/bytes";
import { Reader } from "../proof/cbor";
import { refuse } from "../proof/refused";

const PIECES_MAX = 64; // as `haggle verify`
const INPUT_SIZE_MAX = PIECES_MAX * EVIDENCE_SIZE_MAX;

/** One evidence, or several: that of a deal is a list. */
export function evidenceIn(input: string | Bytes): Bytes[] {
  if (input.length > 2 * INPUT_SIZE_MAX) refuse("too_large", "more than any evidence takes");
  if (typeof input !== "string")
    return looksLikeText(input) ? evidenceIn(decode(input)) : pieces(input);
  const text = input.trim();
  if (text === "") refuse("malformed", "there is nothing");
  if (/^[{["]/.test(text)) return inJson(text);
  const digits = text.replace(/\s+/g, "");
  return pieces(/^([0-9a-f]{2})+$/i.test(digits) ? fromHex(digits) : fromBase64url(digits));
}

function decode(bytes: Bytes): string {
  return new TextDecoder().decode(bytes);
}

/** The CBOR of evidence, of a conflict and of a list of them begins beyond ASCII. */
function looksLikeText(bytes: Bytes): boolean {
  return bytes.length > 0 && bytes[0]! < 0x80;
}

function inJson(text: string): Bytes[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    refuse("malformed", "this is neither JSON nor base64url nor hexadecimal");
  }
  const found = textsIn(json, 0);
  if (found.length === 0) refuse("malformed", "there is no evidence in this JSON");
  return found.slice(0, PIECES_MAX).flatMap((one) => pieces(fromBase64url(one)));
}

/** A text, a list of texts, or what is under "evidence" in an object or its "result". */
function textsIn(json: unknown, depth: number): string[] {
  if (typeof json === "string") return [json];
  if (depth > 3 || typeof json !== "object" || json === null) return [];
  if (Array.isArray(json)) return json.flatMap((item) => textsIn(item, depth + 1));
  const { evidence, result } = json as { evidence?: unknown; result?: unknown };
  return textsIn(evidence ?? result, depth + 1);
}

function pieces(bytes: Bytes): Bytes[] {
  if (bytes.length === 0) refuse("truncated", "there is nothing");
  if (bytes[0]! >> 5 !== 4) return [bytes];
  const reader = new Reader(bytes);
  const count = reader.list("the list of evidence", PIECES_MAX);
  const found: Bytes[] = [];
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    skip(reader, 0);
    found.push(bytes.subarray(start, reader.at));
  }
  reader.end("the list of evidence");
  if (found.length === 0) refuse("malformed", "the list of evidence is empty");
  return found;
}

function skip(reader: Reader, depth: number): void {
  if (depth > 36) refuse("too_deep", "nested too deep");
  const item = reader.next();
  const inner = item.kind === "list" ? item.count : item.kind === "map" ? 2 * item.count : 0;
  for (let i = 0; i < inner; i++) skip(reader, depth + 1);
}
