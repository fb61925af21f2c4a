/** What `haggle export` writes: one evidence, or a list of them (those of a deal). */
import type { Bytes } from "./bytes";
import { Reader } from "./cbor";
import { refuse } from "./refused";

const BUNDLE_MAX = 64;
const DEPTH_MAX = 36;
const MAJOR_LIST = 4;

export function splitBundle(bytes: Bytes): Bytes[] {
  if (bytes.length === 0) refuse("truncated", "it is empty");
  if (bytes[0]! >> 5 !== MAJOR_LIST) return [bytes];
  const reader = new Reader(bytes);
  const count = reader.list("the list of evidence", BUNDLE_MAX);
  if (count === 0) refuse("malformed", "the list of evidence is empty");
  const pieces: Bytes[] = [];
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    skip(reader, 0);
    pieces.push(bytes.subarray(start, reader.at));
  }
  reader.end("the list of evidence");
  return pieces;
}

function skip(reader: Reader, depth: number): void {
  if (depth > DEPTH_MAX) refuse("too_deep", "nested too deep");
  const item = reader.next();
  const inner = item.kind === "list" ? item.count : item.kind === "map" ? 2 * item.count : 0;
  for (let i = 0; i < inner; i++) skip(reader, depth + 1);
}
