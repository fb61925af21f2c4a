// Deals as they are shown. A record is what a script wrote of one (agent.deal): only `id` and `status` are sure
// to be there, and to be text. Where both sides are agents of this host there are two records of one deal.
import type { Deal, Json } from "../feed/types";

export interface Side {
  /** As it is called: a name, or a did of which no name is known. */
  name: string;
  /** It is an agent of this host, of that name. */
  here: boolean;
  did?: string;
}

export interface Trade {
  id: string;
  service: string;
  /** null: there is none, or none that is a number. */
  price: number | null;
  rounds: number | null;
  within_ms: number | null;
  status: string;
  why: string;
  buyer: Side | undefined;
  seller: Side | undefined;
  messages: string[];
  time_ms: number;
  /** The agent that keeps the record: the buyer, if both do. */
  keeper: string;
  counterparty: string;
  records: Deal[];
}

export function tradeOf(deal: Deal): Trade {
  const agent: Side = { name: textOf(deal.agent), here: true };
  const counterparty = textOf(deal.counterparty);
  const name = textOf(deal.with) || counterparty;
  const here = name !== "" && name !== counterparty;
  const other: Side = { name: here ? name : textOf(deal.with_alias) || name, here };
  if (counterparty.startsWith("did:")) other.did = counterparty;
  const [buyer, seller] =
    deal.role === "seller" ? [other, agent] : deal.role === "buyer" ? [agent, other] : [];
  return {
    id: textOf(deal.id),
    service: textOf(deal.service),
    price: numberOf(deal.price),
    rounds: numberOf(deal.rounds),
    within_ms: numberOf(deal["within"]),
    status: textOf(deal.status),
    why: textOf(deal["why"]),
    buyer: buyer?.name ? buyer : undefined,
    seller: seller?.name ? seller : undefined,
    messages: Array.isArray(deal.messages) ? deal.messages.map(textOf).filter(Boolean) : [],
    time_ms: numberOf(deal.time_ms) ?? 0,
    keeper: agent.name,
    counterparty,
    records: [deal],
  };
}

/** One for each deal, the latest first. What the two sides record can differ: a breach is what counts. */
export function tradesOf(deals: readonly Deal[]): Trade[] {
  const trades = new Map<string, Trade>();
  for (const deal of deals) {
    const trade = tradeOf(deal);
    const other = trades.get(trade.id);
    trades.set(trade.id, other ? together(trade, other) : trade);
  }
  return [...trades.values()].sort((a, b) => b.time_ms - a.time_ms);
}

function together(a: Trade, b: Trade): Trade {
  const [first, second] = a.records[0]?.role === "buyer" ? [a, b] : [b, a];
  const breached = [first, second].find(({ status }) => status === "breached");
  // The seller delivers before the buyer knows of it.
  const latest = first.time_ms >= second.time_ms ? first : second;
  const ids = new Set([...first.messages, ...second.messages]);
  return {
    ...first,
    status: (breached ?? latest).status,
    why: (breached ?? latest).why,
    messages: [...ids],
    time_ms: latest.time_ms,
    records: [...first.records, ...second.records],
  };
}

export interface ServiceSum {
  service: string;
  deals: number;
  breached: number;
  last: number | null;
  least: number | null;
  most: number | null;
  mean: number | null;
}

/** Of each service, the one with most deals first. */
export function sumsOf(trades: readonly Trade[]): ServiceSum[] {
  const groups = new Map<string, Trade[]>();
  for (const trade of trades) {
    const group = groups.get(trade.service);
    if (group) group.push(trade);
    else groups.set(trade.service, [trade]);
  }
  const sums = [...groups].map(([service, group]): ServiceSum => {
    const prices = group.flatMap(({ price }) => (price === null ? [] : [price]));
    const sum = prices.reduce((all, price) => all + price, 0);
    return {
      service,
      deals: group.length,
      breached: group.filter(({ status }) => status === "breached").length,
      last: prices[0] ?? null,
      least: prices.length > 0 ? Math.min(...prices) : null,
      most: prices.length > 0 ? Math.max(...prices) : null,
      mean: prices.length > 0 ? sum / prices.length : null,
    };
  });
  return sums.sort((a, b) => b.deals - a.deals || a.service.localeCompare(b.service));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** {"$int": "9007199254740993"} is a number too, if not to its last digit. */
function numberOf(value: unknown): number | null {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const wide = (value as { $int?: Json } | null)?.$int;
  return typeof wide === "string" && /^-?\d+$/.test(wide) ? Number(wide) : null;
}
