// The evidence of a deal: had from the host, verified here message by message, and then judged as a whole.
import { checkEvidence, type Check } from "../dialogue/check";
import { evidenceIn } from "../evidence/input";
import { call } from "../feed/connection";
import { fromBase64url, hex, type Bytes } from "../proof/bytes";
import { isOfDeal, judgeDeal, type DealProof } from "../proof/deal";
import { didOf } from "../proof/did";
import type { Envelope } from "../proof/envelope";
import { Refused } from "../proof/refused";
import type { Trade } from "./trade";

export interface Piece {
  check: Check;
  envelope: Envelope | undefined;
}

export interface Verified {
  /** What the file holds that can be downloaded. */
  file: Bytes;
  pieces: Piece[];
  check: Check;
  proof: DealProof | undefined;
}

export async function verifyDeal(trade: Trade): Promise<Verified> {
  const { evidence } = await call("export", { of: trade.id });
  const texts = Array.isArray(evidence) ? evidence : [evidence];
  const file = fromBase64url(texts[0] ?? "");
  const pieces: Piece[] = [];
  for (const bytes of texts.flatMap((text) => evidenceIn(text))) {
    const check = await checkEvidence(bytes, {});
    pieces.push({ check, envelope: check.verdict?.parts.envelope });
  }
  pieces.sort((a, b) => (a.envelope?.createdMs ?? 0) - (b.envelope?.createdMs ?? 0));
  return { file, pieces, ...judge(pieces, trade) };
}

/** Nothing is proved of the whole unless each piece is. */
function judge(pieces: Piece[], trade: Trade): Pick<Verified, "check" | "proof"> {
  const odd = pieces.find(({ check }) => check.state !== "proved");
  const envelopes = pieces.flatMap(({ envelope }) => envelope ?? []);
  if (odd?.check.state === "false") return { check: { ...odd.check }, proof: undefined };
  if (!envelopes.some(isOfDeal)) return { check: ownKind(odd), proof: undefined };
  try {
    const proof = judgeDeal(envelopes);
    const lie = contradiction(trade, proof);
    if (lie) return { check: { state: "false", why: lie }, proof };
    return { check: odd ? { ...odd.check } : { state: "proved" }, proof };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const state = error.code === "not_found" ? "missing" : "false";
    return { check: { state, why: error.message }, proof: undefined };
  }
}

/** Deals of another protocol than haggle.market's: each message is proved, what they mean is not judged. */
function ownKind(odd: Piece | undefined): Check {
  return (
    odd?.check ?? {
      state: "proved",
      why: "each message by itself; the protocol is not haggle.market's",
    }
  );
}

/** In what the record differs from what was signed. */
export function contradiction(trade: Trade, proof: DealProof): string | undefined {
  if (proof.id !== trade.id) return "the evidence is of another deal than the record";
  if (trade.service !== proof.service) return "the record names another service than was signed";
  if (trade.price !== null && BigInt(Math.round(trade.price)) !== proof.price)
    return `the record says ${trade.price}, ${proof.price} was signed`;
  if (trade.status === "delivered" && !proof.deliver && !proof.received)
    return "the record says that it was delivered, of which there is no evidence";
  for (const side of ["buyer", "seller"] as const) {
    const did = trade[side]?.did;
    if (did && did !== didOf(proof[side]))
      return `the record names another ${side} than was signed`;
  }
  return undefined;
}

export function idOf(envelope: Envelope): string {
  return hex(envelope.id);
}
