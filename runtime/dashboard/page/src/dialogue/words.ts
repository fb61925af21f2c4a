// What a dialogue says, in a few words: of a message, of what happened between, of why it failed.
import type { Dialogue, DialogueMessage, Json, Millis, TraceEvent } from "../feed/types";
import type { Said, Side } from "../proof/definition";
import { formatDuration, formatNumber, shortDid, shortId } from "../ui/format";

/** Fields that say most, in this order; then whatever else is a scalar. */
const FIRST = ["price", "service", "amount", "total", "why", "reason", "text"];
const SHOWN = 3;
const TEXT_MAX = 48;

/** "price 93 · telemetry.cpu": the scalars of a body. */
export function summary(body: Json): string {
  if (body === null) return "";
  if (typeof body !== "object") return scalar(body);
  if (Array.isArray(body)) return body.length === 1 ? "1 item" : `${body.length} items`;
  const rank = (key: string): number => {
    const at = FIRST.indexOf(key);
    return at < 0 ? FIRST.length : at;
  };
  const keys = Object.keys(body).filter((key) => isScalar(body[key]));
  keys.sort((a, b) => rank(a) - rank(b));
  const words = keys.slice(0, SHOWN).map((key) => word(key, body[key] as Json));
  const left = Object.keys(body).length - words.length;
  return [...words, ...(left > 0 && words.length < SHOWN ? [`${left} more`] : [])].join(" · ");
}

function isScalar(value: Json | undefined): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** Fields that need no name. */
const BARE = new Set(["service", "text", "why", "reason"]);

function word(key: string, value: Json): string {
  return BARE.has(key) ? scalar(value) : `${key} ${scalar(value)}`;
}

function scalar(value: Json): string {
  if (typeof value === "number") return formatNumber(value);
  const text = String(value);
  if (/^[0-9a-f]{16,}$/.test(text)) return shortId(text);
  if (text.startsWith("did:key:z")) return shortDid(text);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

const BAD = new Set(["dead", "undelivered", "refused", "timeout", "expired", "parked"]);

export function isBad(event: TraceEvent): boolean {
  return BAD.has(event.what) || event.end === "raised";
}

const LABELS: Record<string, string> = {
  heard: "received",
  said: "sent",
  dead: "dead letter",
  undelivered: "not delivered",
  refused: "refused",
  held: "held back: the mailbox is full",
  timeout: "no answer in time",
  expired: "the deadline has passed",
  parked: "parked",
};

/** A dialogue that grew out of this one, in the place where it began. */
const CHILD = "child";

export function childEvent(child: Dialogue): TraceEvent {
  const { agent, thid, peer, opened_ms, protocol = "", state, messages, why } = child;
  const count = messages === 1 ? "1 message" : `${messages} messages`;
  return {
    agent,
    time_ms: opened_ms,
    what: CHILD,
    name: protocol,
    thread: thid,
    peer,
    peer_name: peerName(child) ?? shortDid(peer),
    why: `${protocol}, ${count}, ${state}${why === undefined ? "" : `: ${why}`}`,
  };
}

/** What an agent did between the messages. */
export function eventWords(event: TraceEvent): string {
  if (event.what === "stretch") return stretchWords(event);
  if (event.what === CHILD) return `${event.peer_name ?? "another agent"}: ${event.why ?? ""}`;
  if (event.what === "suspended") return `suspended, waits for ${waitWords(event.waits)}`;
  if (event.what === "retry" || event.what === "turn") return beginWords(event);
  if (event.what === "timer") {
    const left = (event.due_ms ?? 0) - event.time_ms;
    return `timer ${event.name}, due ${left > 0 ? `in ${formatDuration(left)}` : "now"}`;
  }
  const label = Object.hasOwn(LABELS, event.what) ? LABELS[event.what] : event.what;
  const words = event.what === "heard" || event.what === "said" ? `${label} ${event.name}` : label;
  const code = event.code === undefined ? "" : ` (${event.code})`;
  return `${words}${code}${event.why === undefined ? "" : `: ${event.why}`}`;
}

/** Of a suspended handler: {"for": "sleep", "until_ms": …}. */
function waitWords(waits: Json | undefined): string {
  if (typeof waits !== "object" || waits === null || Array.isArray(waits)) return "?";
  return typeof waits["for"] === "string" ? waits["for"] : "?";
}

/** A handler that has not begun: after a failure, or behind another one. */
function beginWords(event: TraceEvent): string {
  const left = (event.due_ms ?? 0) - event.time_ms;
  const when = left > 0 ? ` in ${formatDuration(left)}` : "";
  if (event.what === "turn") return "waits for its turn in the thread";
  return `is tried again${when}, attempt ${event.attempt ?? "?"}`;
}

/** What it came to stands first: there may be little room. */
function stretchWords(event: TraceEvent): string {
  const attempt = event.attempt ?? 1;
  const raised = event.end === "raised";
  const parts = raised ? [`raised: ${event.why ?? ""}`] : [];
  if (event.end === "waits") parts.push(`waits for ${event.for ?? "?"}`);
  const took = event.took_us ? ` ${formatDuration(event.took_us / 1000)}` : "";
  parts.push(`${(event.number ?? 1) > 1 ? "went on" : "ran"}${took}`);
  if (attempt > 1 || raised) parts.push(`attempt ${attempt}`);
  if (event.timers) parts.push(event.timers === 1 ? "1 timer" : `${event.timers} timers`);
  return parts.join(" · ");
}

/** Why it failed, in one sentence; the host's own words come first. */
export function failure(dialogue: Dialogue, events: readonly TraceEvent[]): string | undefined {
  if (dialogue.why) return dialogue.why;
  if (dialogue.state !== "failed") return undefined;
  const bad = events.filter(isBad).at(-1);
  return bad ? `${bad.name}: ${eventWords(bad)}` : "The host does not remember why.";
}

// Sides -------------------------------------------------------------------------------------------

export interface Party {
  did?: string;
  name?: string;
  /** An agent of the host that tells of the dialogue. */
  here: boolean;
}

/** What the other side is called: by this host, or else by its own advert. */
export function peerName({ peer_name, peer_alias }: Dialogue): string | undefined {
  return peer_name ?? peer_alias;
}

export interface Parties {
  /** Who opened the dialogue, as far as its messages are remembered. */
  opener: Party;
  other: Party;
  /** The side of the agent from whose memory it is told. */
  ours: Side;
}

export function partiesOf(dialogue: Dialogue, messages: readonly DialogueMessage[]): Parties {
  const [first] = messages;
  const ours = dialogue.agent_did ?? (first?.direction === "said" ? first.from : first?.to);
  const we: Party = { name: dialogue.agent, here: true, ...(ours !== undefined && { did: ours }) };
  const name = peerName(dialogue);
  const peer: Party = {
    did: dialogue.peer,
    here: dialogue.peer_name !== undefined,
    ...(name !== undefined && { name }),
  };
  return first?.direction === "heard"
    ? { opener: peer, other: we, ours: "other" }
    : { opener: we, other: peer, ours: "opener" };
}

/** An agent may talk to itself: who said it is told by the direction, not by the key. */
export function sideOf(message: DialogueMessage, ours: Side): Side {
  if (message.direction === "said") return ours;
  return ours === "opener" ? "other" : "opener";
}

export function saidBy(messages: readonly DialogueMessage[], ours: Side): Said[] {
  return messages.map((message) => ({ type: message.type, side: sideOf(message, ours) }));
}

/** How long it took, or has been open. */
export function spanOf(dialogue: Dialogue, now_ms: Millis): number {
  return (dialogue.state === "open" ? now_ms : dialogue.last_ms) - dialogue.opened_ms;
}
