// What messages do in a conversation, in words; the colours are those of diagrams and tables (ui/tones.ts).
import { performativeTone, type Tone } from "../ui/tones";

export type Kind = Tone;
export const KINDS: readonly Kind[] = ["ask", "offer", "accept", "inform", "refuse", "other"];

export const KIND_WORDS: { readonly [kind in Kind]: string } = {
  ask: "asks",
  offer: "offers, bids",
  accept: "agrees",
  inform: "delivers, tells",
  refuse: "refuses, fails",
  other: "other",
};

export const kindOf: (performative: string) => Kind = performativeTone;
