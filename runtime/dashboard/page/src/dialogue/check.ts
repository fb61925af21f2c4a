/**
 * Whether a message is what its evidence proves. A host's (or a file's) own words about a message are
 * worth nothing by themselves: they are compared with what was signed.
 */
import type { DialogueMessage } from "../feed/types";
import { fromBase64url, type Bytes } from "../proof/bytes";
import { envelopeJson, type Envelope } from "../proof/envelope";
import { verifyEvidence, type Verdict } from "../proof/evidence";
import { Refused } from "../proof/refused";
import { differenceOf } from "../proof/value";

export type CheckState = "proved" | "false" | "unchecked" | "missing";

export interface Check {
  state: CheckState;
  /** Why it is not proved, in a sentence. */
  why?: string;
  verdict?: Verdict;
}

/** What is told of a message beside its evidence; what is undefined is not told. */
export interface Told {
  id?: string;
  thid?: string;
  from?: string;
  to?: string;
  type?: string;
  body?: unknown;
  [field: string]: unknown;
}

export async function checkEvidence(evidence: string | Bytes, told: Told): Promise<Check> {
  let bytes: Bytes;
  try {
    bytes = typeof evidence === "string" ? fromBase64url(evidence) : evidence;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { state: "false", why: error.message };
  }
  const verdict = await verifyEvidence(bytes);
  if (verdict.result === "false") return { state: "false", why: verdict.why ?? "", verdict };
  const envelope = verdict.parts.envelope;
  const place = envelope && differs(envelope, told);
  if (place)
    return {
      state: "false",
      why: `what is told of it differs from what was signed: ${place}`,
      verdict,
    };
  if (verdict.result === "unchecked")
    return { state: "unchecked", why: abilityText(verdict.ability), verdict };
  return { state: "proved", verdict };
}

/** The first field in which what is told differs from the envelope. */
export function differs(envelope: Envelope, told: Told): string | undefined {
  const signed = envelopeJson(envelope);
  for (const [field, value] of Object.entries(told)) {
    if (value === undefined) continue;
    const place = differenceOf(signed[field], value, field);
    if (place) return place;
  }
  return undefined;
}

export function checkMessage(message: DialogueMessage, thid: string): Promise<Check> {
  if (message.evidence === undefined)
    return Promise.resolve({
      state: "missing",
      why: message.unproved ?? message.missing ?? "there is no evidence with it",
    });
  const { id, from, to, type, body } = message;
  const told: Told = { id, thid, from, to, type };
  // What the host has no body of is null there, and says why.
  if (message.missing === undefined) told.body = body;
  return checkEvidence(message.evidence, told);
}

export function abilityText(ability: Verdict["ability"]): string {
  switch (ability) {
    case "able":
      return "";
    case "insecure":
      return "Browsers verify signatures on loopback and https only, and this page is on neither.";
    case "no_ed25519":
      return "This browser's Web Crypto knows no Ed25519.";
  }
}
