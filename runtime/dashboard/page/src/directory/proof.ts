// Whether offers are what their agents signed: adverts are fetched with their evidence, and verified here.
import { useEffect, useState } from "preact/hooks";
import { checkEvidence, type Check } from "../dialogue/check";
import { call, type FeedError } from "../feed/connection";
import type { Advert, Did, Json, Offer } from "../feed/types";
import { didOf } from "../proof/did";
import { plainJson } from "../proof/value";

const ADVERT_TYPE = "haggle/1.0/advert";
const AGENTS_MAX = 50;

/** What an advert's body says of the agent's offers, if all of it is proved; else why not. */
export interface Signed {
  check: Check;
  offers: { [field: string]: Json }[];
  advert: Advert | undefined;
}

export async function verifyAdvert(agent: Did): Promise<Signed> {
  const advert = await call("advert", { agent });
  const told = { from: agent, to: agent, type: ADVERT_TYPE };
  const check = await checkEvidence(advert.evidence, told);
  const { envelope, header, group } = check.verdict?.parts ?? {};
  const body = envelope ? (plainJson(envelope.body) as { [field: string]: Json }) : {};
  const offers = Array.isArray(body["offers"]) ? (body["offers"] as Signed["offers"]) : [];
  if (
    check.state === "proved" &&
    header &&
    group &&
    didOf(header.host) !== didOf(group.destination)
  ) {
    return {
      check: { ...check, state: "false", why: "an advert goes to its own host" },
      offers,
      advert,
    };
  }
  return { check, offers, advert };
}

/** What the directory adds to an offer itself. */
const ADDED = new Set(["agent", "host", "name", "version", "expires_ms"]);

/** An offer that is shown has to be one of those that were signed. */
export function checkOffer(offer: Offer, { check, offers }: Signed): Check {
  if (check.state !== "proved") return check;
  const own = Object.entries(offer).filter(([field]) => !ADDED.has(field));
  const isSigned = offers.some((signed) => {
    const fields = Object.keys(signed).filter((field) => !ADDED.has(field));
    return (
      fields.length === own.length &&
      own.every(([field, value]) => JSON.stringify(signed[field]) === JSON.stringify(value))
    );
  });
  if (isSigned) return check;
  return { ...check, state: "false", why: "the agent signed no such offer" };
}

/** Verifies the adverts of these offers, one after the other; those that are done are in the map. */
export function useSigned(offers: readonly Offer[]): ReadonlyMap<Did, Signed> {
  const [signed, setSigned] = useState<ReadonlyMap<Did, Signed>>(new Map());
  const key = offers.map(({ agent, version }) => `${agent} ${version}`).join();
  useEffect(() => {
    let wanted = true;
    setSigned(new Map());
    const run = async () => {
      const agents = [...new Set(offers.map(({ agent }) => agent))].slice(0, AGENTS_MAX);
      for (const agent of agents) {
        const found = await verifyAdvert(agent).catch(unproved);
        if (!wanted) return;
        setSigned((before) => new Map(before).set(agent, found));
      }
    };
    void run();
    return () => {
      wanted = false;
    };
  }, [key]);
  return signed;
}

function unproved(why: FeedError): Signed {
  return { check: { state: "missing", why: why.message }, offers: [], advert: undefined };
}
