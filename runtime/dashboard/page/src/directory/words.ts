// Queries and offers, as text for people.
import type { Json, Miss, Offer } from "../feed/types";
import { formatNumber } from "../ui/format";

/** Examples of each form that a query can have: what it finds, and the query. */
export const EXAMPLES: readonly (readonly [what: string, query: string])[] = [
  ["one service", "service=telemetry.load"],
  ["the cheapest three", "service=telemetry.load price<=8 order price limit 3"],
  ["one of several values", "region in (north, south)"],
  ["either of two conditions", "(region=north or price<5) not cpu=slow"],
  ["offers that have a field", "has price"],
  ["text with spaces", 'title="cut flowers"'],
  ["within 30 km", "near (47.07, 15.44, 30km)"],
];

/** Where an error points at, as a number of characters; the host counts bytes, from 1. */
export function columnOf(message: string, query: string): number | null {
  const column = Number(/\bcolumn (\d+)/.exec(message)?.[1] ?? NaN);
  if (!Number.isInteger(column) || column < 1) return null;
  const bytes = new TextEncoder().encode(query).subarray(0, column - 1);
  return Array.from(new TextDecoder().decode(bytes)).length;
}

const KNOWN = new Set([
  "agent",
  "host",
  "name",
  "service",
  "protocol",
  "price",
  "version",
  "expires_ms",
]);

/** The attributes that have no column of their own. */
export function restOf(offer: Offer): [field: string, text: string][] {
  return Object.entries(offer).flatMap(([field, value]): [string, string][] =>
    KNOWN.has(field) ? [] : [[field, valueText(value as Json)]],
  );
}

export function valueText(value: Json | undefined): string {
  if (value === undefined || value === null) return "nothing";
  if (typeof value === "number") return formatNumber(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Why an offer does not meet a condition: "it has 9", "it has no such field". */
export function missText({ condition, found, absent, fields, km }: Miss): string {
  const asked = Object.entries(fields ?? {});
  if (km !== undefined) return `it is ${formatNumber(km)} km away`;
  if (asked.length > 1) {
    return asked
      .map(([field, value]) =>
        value === null ? `it has no ${field}` : `its ${field} is ${valueText(value)}`,
      )
      .join(", ");
  }
  if (absent) return `it has no ${asked[0]?.[0] ?? "such field"}`;
  return condition.startsWith("not ") ? "which it does" : `it has ${valueText(found)}`;
}
