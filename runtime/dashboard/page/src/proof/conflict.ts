/** Conflicts (SPEC.md §7.5): the proof that a host or an agent signed what contradicts itself. */
import { readHeader, type Header } from "./batch";
import { concat, equal, utf8, type Bytes } from "./bytes";
import { Reader } from "./cbor";
import { verifyCose } from "./cose";
import { readDelegation, verifyDelegation, type Delegation } from "./delegation";
import { canVerify, isGoodKey } from "./ed25519";
import { sha256 } from "./merkle";
import { Refused, refuse } from "./refused";

const MARK = "haggle-conflict/1";
const SIZE_MAX = 2112;
const PART_SIZE_MAX = 1024;

export interface Conflict {
  kind: "fork" | "delegation_conflict";
  subject: Bytes;
  sequence: number;
}

/** Whether it says that it is one: whatever else it may be, it is no evidence then. */
export function isConflict(bytes: Bytes): boolean {
  const head = concat(Uint8Array.of(0xa3, 0x00, 0x71), utf8(MARK));
  return equal(bytes.subarray(0, head.length), head);
}

export async function verifyConflict(bytes: Bytes): Promise<Conflict> {
  if ((await canVerify()) !== "able")
    refuse("invalid", "this browser cannot verify signatures here");
  if (bytes.length > SIZE_MAX)
    refuse("too_large", `a conflict of ${bytes.length} bytes, limit ${SIZE_MAX}`);
  const reader = new Reader(bytes);
  const parts: Bytes[] = [];
  reader.fields("a conflict", 0, 2, (key) => {
    if (key > 0) parts.push(reader.byteString("signed object", PART_SIZE_MAX));
    else if (reader.text("mark", 64) !== MARK) refuse("bad_type", `not marked as “${MARK}”`);
  });
  reader.end("conflict");
  const [a, b] = parts as [Bytes, Bytes];
  const delegation = delegationOf(a);
  return delegation ? conflictOfDelegations(a, delegation, b) : conflictOfHeaders(a, b);
}

/** Which kind of conflict it is, the type that the first one's signature protects says. */
function delegationOf(bytes: Bytes): Delegation | undefined {
  try {
    return readDelegation(bytes);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

async function conflictOfDelegations(a: Bytes, one: Delegation, b: Bytes): Promise<Conflict> {
  const other = readDelegation(b);
  await verifyDelegation(one);
  await verifyDelegation(other);
  if (!equal(one.agent, other.agent))
    refuse("invalid", "the two delegations are of different agents");
  if (one.sequence !== other.sequence || equal(a, b))
    refuse("invalid", "the two delegations do not contradict each other");
  return { kind: "delegation_conflict", subject: one.agent, sequence: one.sequence };
}

async function conflictOfHeaders(a: Bytes, b: Bytes): Promise<Conflict> {
  const one = await verifiedHeader(a);
  const other = await verifiedHeader(b);
  if (!equal(one.host, other.host)) refuse("invalid", "the two headers are of different hosts");
  if (!equal(one.incarnation, other.incarnation))
    refuse("invalid", "the two headers are of different incarnations");
  const twice = one.sequence === other.sequence && !equal(a, b);
  const unchained = other.sequence === one.sequence + 1 && !equal(other.previous, await sha256(a));
  if (!twice && !unchained) refuse("invalid", "the two headers do not contradict each other");
  return { kind: "fork", subject: one.host, sequence: one.sequence };
}

async function verifiedHeader(bytes: Bytes): Promise<Header> {
  const header = readHeader(bytes);
  if (!isGoodKey(header.host))
    refuse("bad_key", "the host's key is not canonical or not of full order");
  await verifyCose(header.cose, header.host);
  return header;
}
