// States and performatives have one tone each, wherever they are shown.

export type StateTone = "good" | "wait" | "bad" | "idle";
export type Tone = "ask" | "offer" | "accept" | "refuse" | "inform" | "other";

const STATES: Record<string, StateTone> = {
  running: "good",
  live: "good",
  up: "good",
  open: "good",
  done: "good",
  delivered: "good",
  acknowledged: "good",
  handled: "good",
  agreed: "good",
  starting: "wait",
  connecting: "wait",
  held: "wait",
  paused: "wait",
  retrying: "wait",
  waiting: "wait",
  unconfirmed: "wait",
  parked: "bad",
  failed: "bad",
  failing: "bad",
  refused: "bad",
  raised: "bad",
  dead: "bad",
  lost: "bad",
  denied: "bad",
  forked: "bad",
  error: "bad",
  warn: "wait",
};

export function stateTone(state: string): StateTone {
  return Object.hasOwn(STATES, state) ? (STATES[state] ?? "idle") : "idle";
}

const WORDS: [Tone, string[]][] = [
  ["ask", ["ask", "cfp", "request", "query", "want", "hello", "subscribe", "compare", "get"]],
  ["offer", ["offer", "bid", "counter", "propose", "proposal", "quote", "counteroffer"]],
  ["accept", ["accept", "agree", "confirm", "won", "ok", "yes", "sold", "settle"]],
  ["refuse", ["refuse", "reject", "decline", "cancel", "no", "lost", "error", "failure", "abort"]],
  [
    "inform",
    [
      "inform",
      "deliver",
      "said",
      "answer",
      "reply",
      "result",
      "report",
      "reading",
      "tell",
      "received",
    ],
  ],
];

const PERFORMATIVES = new Map(WORDS.flatMap(([tone, words]) => words.map((word) => [word, tone])));

/** Of what a message does, by the words that protocols commonly use for it. */
export function performativeTone(performative: string): Tone {
  return PERFORMATIVES.get(performative.toLowerCase()) ?? "other";
}

/** The colour of a token, for a canvas: toneColor("--tone-ask"). It changes with the theme. */
export function tokenColor(token: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(token).trim();
}
