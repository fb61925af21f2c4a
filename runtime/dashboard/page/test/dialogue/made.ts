/** A dialogue as a host tells it, with evidence that a test can spoil. */
import type { Definition, DialogueMessage, Json } from "../../src/feed/types";
import type { DialogueFile } from "../../src/dialogue/file";
import { base64url } from "../../src/proof/bytes";
import { evidenceOf, Identity } from "../proof/make";

const RULE = { body: null, from: null, within: null, follows: [], opening: false, replies: [] };

export const DEFINITION: Definition = {
  name: "haggling",
  version: "1",
  roles: ["buyer", "seller"],
  messages: {
    ask: { ...RULE, opening: true, from: "buyer", replies: ["offer"], within: 5000 },
    offer: { ...RULE, replies: ["offer", "accept"] },
    accept: { ...RULE, from: "buyer" },
  },
};

export function idOf(number: number): string {
  return `5eed${number.toString(16).padStart(28, "0")}`;
}

/** ask, then offers of both sides in turn, then accept: `count` messages. */
export async function makeDialogue(count: number, opened = 1790000000000): Promise<DialogueFile> {
  const [buyer, seller, host] = [new Identity(), new Identity(), new Identity()];
  const messages: DialogueMessage[] = [];
  for (let i = 0; i < count; i++) {
    const performative = i === 0 ? "ask" : i === count - 1 && i % 2 === 0 ? "accept" : "offer";
    const [from, to] = i % 2 === 0 ? [buyer, seller] : [seller, buyer];
    const body: Json = i === 0 ? { service: "telemetry.cpu" } : { price: 100 - i, note: "fair" };
    const draft = {
      id: idOf(i + 1),
      type: `haggling/1/${performative}`,
      from,
      to,
      ...(i > 0 && { thid: idOf(1) }),
      timeMs: opened + i * 40,
      body,
      ...(i === 0 && { definition: DEFINITION }),
    };
    const evidence = await evidenceOf(host, draft, i + 1);
    messages.push({
      id: draft.id,
      time_ms: draft.timeMs,
      direction: i % 2 === 0 ? "said" : "heard",
      from: from.did,
      to: to.did,
      ...(i % 2 === 0 ? { from_name: "buyer-1" } : { to_name: "buyer-1" }),
      type: draft.type,
      performative,
      body: draft.body,
      size: 180,
      state: "acknowledged",
      evidence: base64url(evidence),
    });
  }
  return {
    exported_ms: opened + 60_000,
    host: host.did,
    dialogue: {
      agent: "buyer-1",
      peer: seller.did,
      thid: idOf(1),
      protocol: "haggling/1",
      opened_ms: opened,
      last_ms: messages.at(-1)!.time_ms,
      messages: count,
      last: messages.at(-1)!.performative,
      state: "ended",
    },
    definition: DEFINITION,
    messages,
    events: [],
  };
}
