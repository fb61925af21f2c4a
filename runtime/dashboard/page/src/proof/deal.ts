/**
 * What the messages of one deal of haggle.market ("market/1.0") prove together, beyond what each proves by
 * itself: that both sides signed the same terms, and how far it was delivered. The same judgement as that of
 * `haggle verify` (runtime/host/deal_proof.c), on envelopes whose evidence was verified before.
 */
import { equal, hex, type Bytes } from "./bytes";
import { keyOf } from "./did";
import { threadOf, type Envelope } from "./envelope";
import { refuse } from "./refused";
import type { Value } from "./value";

const PROTOCOL = "market/1.0/";
const PRICE_MAX = 10n ** 15n;
const WITHIN_MAX_MS = 366n * 24n * 3600n * 1000n;
const COUNTER_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const SERVICE_SIZE_MAX = 200;
const SKEW_MAX_MS = 120_000;

export interface DealProof {
  id: string;
  service: string;
  price: bigint;
  withinMs: number;
  buyer: Bytes;
  seller: Bytes;
  accept: Envelope;
  confirm: Envelope;
  /** The earliest of each: there may be no evidence of it. */
  deliver?: Envelope;
  received?: Envelope;
  /** After both have signed, that is a breach. */
  decline?: Envelope;
}

type Terms = Pick<DealProof, "service" | "price" | "withinMs" | "buyer" | "seller">;

export function isOfDeal(envelope: Envelope): boolean {
  return envelope.type.startsWith(PROTOCOL);
}

/** Refuses with the first thing that is missing, differs, or was said by the wrong side. */
export function judgeDeal(envelopes: readonly Envelope[]): DealProof {
  checkThreads(envelopes);
  const accept = only(envelopes, "accept", "nobody accepted");
  const confirm = only(envelopes, "confirm", "the acceptance was not confirmed");
  const deal: DealProof = { ...agreed(accept, confirm), accept, confirm };
  for (const envelope of envelopes) takePiece(deal, envelope);
  return deal;
}

function checkThreads(envelopes: readonly Envelope[]): void {
  const [first] = envelopes;
  if (!first) return refuse("not_found", "there is no evidence");
  envelopes.forEach((envelope, i) => {
    const where = `evidence ${i + 1} of ${envelopes.length}`;
    if (!isOfDeal(envelope)) refuse("invalid", `${where}, ${envelope.type}, is no part of a deal`);
    const along = equal(first.from, envelope.from) && equal(first.to, envelope.to);
    const against = equal(first.from, envelope.to) && equal(first.to, envelope.from);
    if (!equal(threadOf(first), threadOf(envelope)) || !(along || against))
      refuse("invalid", `${where} is of another deal than the first`);
  });
}

/** The one message of this kind; the same one twice is one. */
function only(envelopes: readonly Envelope[], performative: string, missing: string): Envelope {
  let found: Envelope | undefined;
  for (const envelope of envelopes) {
    if (envelope.performative !== performative) continue;
    if (found && !isSame(found, envelope))
      refuse("invalid", `there are two different messages '${performative}' of one deal`);
    found = envelope;
  }
  return found ?? refuse("not_found", `one side's signature is missing: ${missing}`);
}

function isSame(a: Envelope, b: Envelope): boolean {
  return (
    equal(a.id, b.id) &&
    equal(a.from, b.from) &&
    a.createdMs === b.createdMs &&
    JSON.stringify(a.body, plain) === JSON.stringify(b.body, plain)
  );
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  return value instanceof Uint8Array ? hex(value) : value;
}

// The terms -------------------------------------------------------------------------------------

function agreed(accept: Envelope, confirm: Envelope): Terms & { id: string } {
  if (equal(accept.from, confirm.from))
    refuse("protocol_violation", "one side accepted and confirmed by itself");
  const terms = termsOf(accept);
  const confirmed = termsOf(confirm);
  if (terms.price !== confirmed.price)
    refuse(
      "invalid",
      `the two sides signed different terms: price ${terms.price} was accepted, ${confirmed.price} confirmed`,
    );
  const differs =
    terms.service !== confirmed.service
      ? "service"
      : terms.withinMs !== confirmed.withinMs
        ? "within"
        : !equal(terms.buyer, confirmed.buyer)
          ? "buyer"
          : !equal(terms.seller, confirmed.seller)
            ? "seller"
            : undefined;
  if (differs) refuse("invalid", `the two sides signed different terms: ${differs}`);
  const confirmBy = Number(integer(accept, "confirm_by", 0n, COUNTER_MAX));
  const sold = equal(accept.from, terms.seller) && equal(accept.to, terms.buyer);
  const bought = equal(accept.from, terms.buyer) && equal(accept.to, terms.seller);
  if (!sold && !bought) refuse("invalid", "the terms name others than the two who signed them");
  // When it was said, not the header's time: a message that found no room is signed again later, unchanged.
  if (confirm.createdMs > confirmBy + SKEW_MAX_MS)
    refuse("expired", "it was confirmed after the acceptance had ended");
  return { ...terms, id: hex(threadOf(accept)) };
}

function termsOf(envelope: Envelope): Terms {
  checkDealId(envelope);
  const service = text(envelope, "service");
  if (new TextEncoder().encode(service).length > SERVICE_SIZE_MAX)
    refuse("malformed", `the ${envelope.performative} names no service`);
  return {
    service,
    price: integer(envelope, "price", 0n, PRICE_MAX),
    withinMs: Number(integer(envelope, "within", 1n, WITHIN_MAX_MS)),
    buyer: keyOf(text(envelope, "buyer")),
    seller: keyOf(text(envelope, "seller")),
  };
}

/** The body says of which deal it is: of the one whose thread it is in. */
function checkDealId(envelope: Envelope): void {
  if (text(envelope, "deal") !== hex(threadOf(envelope)))
    refuse("invalid", `the ${envelope.performative} speaks of another deal`);
}

function field(envelope: Envelope, name: string): Value {
  const { body } = envelope;
  const found = body.kind === "map" ? body.entries.find(([key]) => key === name) : undefined;
  return found?.[1] ?? refuse("malformed", `the ${envelope.performative} has no ${name}`);
}

function text(envelope: Envelope, name: string): string {
  const value = field(envelope, name);
  if (value.kind === "text" && value.text !== "") return value.text;
  return refuse("malformed", `the ${envelope.performative} names no ${name}`);
}

function integer(envelope: Envelope, name: string, least: bigint, most: bigint): bigint {
  const value = field(envelope, name);
  if (value.kind === "int" && value.value >= least && value.value <= most) return value.value;
  return refuse(
    "malformed",
    `the ${name} of the ${envelope.performative} is no integer from ${least} to ${most}`,
  );
}

// What came of it -------------------------------------------------------------------------------

function takePiece(deal: DealProof, envelope: Envelope): void {
  switch (envelope.performative) {
    case "deliver":
      checkAuthor(envelope, deal.seller, "seller");
      checkDealId(envelope);
      deal.deliver = earliest(deal.deliver, envelope);
      break;
    case "received":
      checkAuthor(envelope, deal.buyer, "buyer");
      checkDealId(envelope);
      deal.received = earliest(deal.received, envelope);
      break;
    case "decline":
      deal.decline = earliest(deal.decline, envelope);
      break;
    case "bid":
      checkAuthor(envelope, deal.buyer, "buyer");
      break;
    case "counter":
      checkAuthor(envelope, deal.seller, "seller");
  }
}

function earliest(held: Envelope | undefined, envelope: Envelope): Envelope {
  return held && held.createdMs <= envelope.createdMs ? held : envelope;
}

function checkAuthor(envelope: Envelope, side: Bytes, name: string): void {
  if (!equal(envelope.from, side))
    refuse("protocol_violation", `the ${envelope.performative} was not said by the ${name}`);
}
