/** Delegations (SPEC.md §5): an agent's word that a host may speak for it, until a time. */
import type { Bytes } from "./bytes";
import { COUNTER_MAX, Reader } from "./cbor";
import { readCose, verifyCose, type Cose } from "./cose";
import { keyOf } from "./did";
import { isGoodKey } from "./ed25519";
import { refuse, within } from "./refused";

const TYPE = "application/haggle-delegation+cwt";
export const DELEGATION_SIZE_MAX = 1024;
const LIFE_MAX_S = 7 * 24 * 3600;
const TIME_MAX_S = Math.floor(COUNTER_MAX / 1000);
const SKEW_MAX_MS = 120_000;
const DID_SIZE = 56;

/** Keys of the claims (RFC 8392 §4), in the one order that deterministic encoding permits. */
const CLAIMS = [1, 2, 4, 6, -65537];

export interface Delegation {
  agent: Bytes;
  host: Bytes;
  expiresS: number;
  issuedS: number;
  sequence: number;
  cose: Cose;
}

export function readDelegation(bytes: Bytes): Delegation {
  return within("delegation", () => {
    if (bytes.length > DELEGATION_SIZE_MAX)
      refuse("too_large", `${bytes.length} bytes, at most ${DELEGATION_SIZE_MAX} are permitted`);
    const cose = readCose(bytes, TYPE);
    return { ...readClaims(cose.payload), cose };
  });
}

function readClaims(payload: Bytes): Omit<Delegation, "cose"> {
  const reader = new Reader(payload);
  const count = reader.map("claims", Infinity);
  if (count !== CLAIMS.length)
    refuse("malformed", `a delegation has ${CLAIMS.length} claims, here are ${count}`);
  const claim = (expected: number): void => {
    const key = reader.int("claim key");
    if (key !== BigInt(expected)) refuse("malformed", `claim ${key} where ${expected} belongs`);
  };
  claim(1);
  const agent = readDid(reader, "iss");
  claim(2);
  const host = readDid(reader, "sub");
  claim(4);
  const expiresS = reader.uint("exp", TIME_MAX_S);
  claim(6);
  const issuedS = reader.uint("iat", TIME_MAX_S);
  claim(-65537);
  const sequence = reader.uint("sequence");
  reader.end("claims");
  if (expiresS <= issuedS) refuse("malformed", "it ends before it begins");
  if (expiresS - issuedS > LIFE_MAX_S)
    refuse("too_large", `for ${expiresS - issuedS} s, at most ${LIFE_MAX_S} are permitted`);
  return { agent, host, expiresS, issuedS, sequence };
}

function readDid(reader: Reader, what: string): Bytes {
  const text = reader.text(what, DID_SIZE);
  return within(what, () => keyOf(text));
}

/** Both keys and the agent's signature. */
export async function verifyDelegation(delegation: Delegation): Promise<void> {
  if (!isGoodKey(delegation.agent))
    refuse("bad_key", "the agent's key is not canonical or not of full order");
  if (!isGoodKey(delegation.host))
    refuse("bad_key", "the host's key is not canonical or not of full order");
  await verifyCose(delegation.cose, delegation.agent);
}

/** Whether it covers the time that a header claims (SPEC.md §5.3); never the verifier's own. */
export function checkLife(delegation: Delegation, timeMs: number): void {
  if (timeMs >= delegation.expiresS * 1000)
    refuse("delegation_expired", "the delegation had ended at the header's time");
  if (timeMs < delegation.issuedS * 1000 - SKEW_MAX_MS)
    refuse("delegation_expired", "the delegation had not begun at the header's time");
}
