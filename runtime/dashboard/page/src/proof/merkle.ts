/** Merkle trees of RFC 9162 §2.1 over SHA-256 (SPEC.md §6.1): inclusion paths. */
import { concat, equal, type Bytes } from "./bytes";
import { Reader } from "./cbor";
import { refuse } from "./refused";

export const HASH_SIZE = 32;
export const PATH_MAX = 16;

export interface Path {
  index: number;
  hashes: Bytes[];
}

/** One step upwards: what was hashed together, and which side came along the path. */
export interface Level {
  left: Bytes;
  right: Bytes;
  given: "left" | "right";
  hash: Bytes;
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export function leafHash(entry: Bytes): Promise<Bytes> {
  return sha256(concat(Uint8Array.of(0), entry));
}

function nodeHash(left: Bytes, right: Bytes): Promise<Bytes> {
  return sha256(concat(Uint8Array.of(1), left, right));
}

export function readPath(reader: Reader, what: string): Path {
  reader.tuple(what, 2);
  const index = reader.uint(what, 0xffffffff);
  const count = reader.list(what, PATH_MAX);
  return { index, hashes: Array.from({ length: count }, () => reader.fixed(what, HASH_SIZE)) };
}

/**
 * RFC 9162 §2.1.3.2: the way from a leaf's hash up to the root; `bad_path` unless it leads there.
 * What was hashed on the way is added to `levels`, also when the way is wrong. `fn` and `sn` are the positions of this leaf and of the last one on a level.
 */
export async function climb(
  leaf: Bytes,
  path: Path,
  count: number,
  root: Bytes,
  levels: Level[],
): Promise<void> {
  if (path.index >= count) refuse("bad_path", `index ${path.index} in a tree of ${count} leaves`);
  let fn = path.index;
  let sn = count - 1;
  let hash = leaf;
  for (const given of path.hashes) {
    if (sn === 0) refuse("bad_path", "path longer than the tree is high");
    const fromLeft = fn % 2 === 1 || fn === sn;
    const [left, right] = fromLeft ? [given, hash] : [hash, given];
    hash = await nodeHash(left, right);
    levels.push({ left, right, given: fromLeft ? "left" : "right", hash });
    // A last leaf without a neighbour rises to the level where it has one.
    if (fromLeft) for (; fn % 2 === 0 && fn !== 0; fn >>>= 1) sn >>>= 1;
    fn >>>= 1;
    sn >>>= 1;
  }
  if (sn !== 0) refuse("bad_path", "path shorter than the tree is high");
  if (!equal(hash, root)) refuse("bad_path", "path does not lead to the root");
}
