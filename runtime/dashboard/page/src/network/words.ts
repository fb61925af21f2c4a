// What happens, in sentences: the picture beside them shows that there is traffic, these say what it is about.
import type { Side, Trade } from "../deals/trade";
import { formatNumber, shortDid } from "../ui/format";
import { to } from "../route";
import { shapeOf, SHAPE_WORDS } from "./sprites";
import { nameOf, type Applied, type Link, type Node, type Said } from "./model";

/** A piece of a sentence; `name`: it is foreign text. */
export interface Piece {
  text: string;
  name?: boolean;
  href?: string;
}

export interface News {
  key: string;
  time: number;
  tone: "good" | "bad" | "wait" | "idle" | "refuse";
  pieces: Piece[];
  /** How often the same has happened since it was first told. */
  times: number;
}

export const NEWS_MAX = 60;
const SAME_WITHIN_MS = 15_000;

/** Of whom this page knows only the key: the empty text. */
export type NameOfDid = (did: string) => string;

export function dealNews(trade: Trade, nameOfDid: NameOfDid): News {
  const service = { text: trade.service || "something", name: true, href: to.deal(trade.id) };
  const [buyer, seller] = [sidePiece(trade.buyer, nameOfDid), sidePiece(trade.seller, nameOfDid)];
  const price = trade.price === null ? "" : ` for ${formatNumber(trade.price)}`;
  const pieces: Piece[] = [];
  let tone: News["tone"] = "idle";
  switch (trade.status) {
    case "delivered": {
      const rounds = trade.rounds === null ? "" : `, after ${times(trade.rounds, "round")}`;
      pieces.push(buyer, say("bought"), service, say("from"), seller, say(price.trim() + rounds));
      tone = "good";
      break;
    }
    case "agreed":
      pieces.push(buyer, say("and"), seller, say("agreed on"), service, say(price.trim()));
      break;
    case "breached":
      pieces.push(say("Breach:"), buyer, say("and"), seller, say("over"), service);
      if (trade.why) pieces.push({ text: `– ${trade.why}`, name: true });
      tone = "bad";
      break;
    default:
      pieces.push(buyer, say("and"), seller, say("over"), service, say(":"));
      pieces.push({ text: trade.status, name: true });
  }
  return { key: `deal ${trade.id}`, time: trade.time_ms, tone, pieces, times: 1 };
}

function sidePiece(side: Side | undefined, nameOfDid: NameOfDid): Piece {
  if (!side) return say("someone");
  if (side.here) return agentPiece(side.name);
  const claimed = side.name === side.did ? shortDid(side.did) : side.name;
  const name = side.did === undefined ? side.name : nameOfDid(side.did) || claimed;
  return { text: name, name: true };
}

export function refusalNews({ tie, count, performative }: Said, time: number): News {
  const href = dialoguesOf(tie.from, tie.to);
  const what: Piece = { text: performative, name: true };
  if (href) what.href = href;
  const pieces = [nodePiece(tie.from), say("to"), nodePiece(tie.to), say(":"), what];
  const key = `refusal ${tie.from.key} ${tie.to.key} ${performative}`;
  return { key, time, tone: "refuse", pieces, times: count };
}

/** Of many at once. */
export function refusalsNews(refused: readonly Said[], time: number): News {
  const by = new Map<Node, number>();
  let sum = 0;
  for (const { tie, count } of refused) {
    by.set(tie.from, (by.get(tie.from) ?? 0) + count);
    sum += count;
  }
  const [most] = [...by].sort((a, b) => b[1] - a[1])[0]!;
  const pieces = [
    say(`${times(sum, "refusal")} by ${times(by.size, "agent")}, most by`),
    nodePiece(most),
  ];
  return { key: "refusals", time, tone: "refuse", pieces, times: 1 };
}

/** Agents and hosts that come and go, fail, sleep no news: those that sleep and wake do it all the time. */
export function turnNews(
  { node, before, after }: Applied["turned"][number],
  time: number,
): News | undefined {
  const quiet = new Set(["running", "asleep"]);
  if (before !== null && after !== null && quiet.has(before) && quiet.has(after)) return undefined;
  const key = `turn ${node.key} ${after}`;
  const what = node.kind === "host" ? "Host" : "Agent";
  if (after === null) {
    return {
      key,
      time,
      tone: "idle",
      pieces: [say(what), nodePiece(node), say("is gone")],
      times: 1,
    };
  }
  if (before === null) {
    return {
      key,
      time,
      tone: "idle",
      pieces: [say(what), nodePiece(node), say("has come")],
      times: 1,
    };
  }
  const shape = shapeOf(after, node.here);
  const well = quiet.has(after);
  const tone = shape.startsWith("fail") ? "bad" : well ? "good" : "wait";
  const words =
    shape === "failed"
      ? "has failed, and is parked"
      : shape === "failing"
        ? `is ${SHAPE_WORDS.failing}`
        : !well
          ? `is ${SHAPE_WORDS[shape].split(":")[0]}`
          : before === "failing"
            ? "has not raised for a minute"
            : "runs again";
  return { key, time, tone, pieces: [nodePiece(node), say(words)], times: 1 };
}

export function linkNews(link: Link, time: number): News {
  const words = link.up ? "are linked" : "have lost their link";
  return {
    key: `link ${link.a.key} ${link.b.key} ${link.up}`,
    time,
    tone: link.up ? "good" : "bad",
    pieces: [say("Hosts"), nodePiece(link.a), say("and"), nodePiece(link.b), say(words)],
    times: 1,
  };
}

/** The newest first; what is said again within a while is counted, what goes on takes the place of its past. */
export function withNews(news: readonly News[], fresh: readonly News[]): News[] {
  let list = [...news];
  for (const one of fresh) {
    const same = list.find((other) => other.key === one.key);
    if (same) list = list.filter((other) => other !== same);
    const repeated =
      same && one.key.startsWith("refusal ") && one.time - same.time < SAME_WITHIN_MS;
    list.push(repeated ? { ...one, times: same.times + one.times } : one);
  }
  return list.sort((a, b) => b.time - a.time).slice(0, NEWS_MAX);
}

export function times(count: number, what: string): string {
  return `${formatNumber(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** Where the conversations of two can be seen: with an agent of this host. */
export function dialoguesOf(a: Node, b: Node): string | undefined {
  const [mine, other] = a.here && a.kind === "agent" ? [a, b] : [b, a];
  if (!mine.here || mine.kind !== "agent") return undefined;
  return to.dialogues({ agent: mine.name, peer: other.here ? other.name : other.did });
}

function agentPiece(name: string): Piece {
  return { text: name, name: true, href: to.agent(name) };
}

function nodePiece(node: Node): Piece {
  const text = nameOf(node);
  if (node.kind === "agent" && node.here) return { text, name: true, href: to.agent(node.name) };
  return { text, name: true };
}

function say(text: string): Piece {
  return { text };
}
