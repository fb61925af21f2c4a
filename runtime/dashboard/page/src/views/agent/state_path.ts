// Where in an agent's state something is, as the call agent.state takes it: lots[3].price, users["a b"].
import type { Json } from "../../feed/types";

/** The path of an entry, from the path of its table ("" of the state itself) and its key in the projection. */
export function pathOf(table: string, key: string | number): string {
  // Lists begin at 1.
  if (typeof key === "number") return `${table}[${key + 1}]`;
  if (/^\$-?\d+$/.test(key)) return `${table}[${key.slice(1)}]`;
  const text = key.startsWith("$$") ? key.slice(1) : key;
  if (/^[A-Za-z_]\w*$/.test(text)) return table === "" ? text : `${table}.${text}`;
  return `${table}["${text.replace(/["\\]/g, "\\$&")}"]`;
}

/** A key as a person writes it. */
export function keyLabel(key: string | number): string {
  if (typeof key === "number") return String(key + 1);
  return key.startsWith("$") ? key.slice(1) : key;
}

export interface Entries {
  list: boolean;
  entries: [key: string | number, value: Json][];
  /** How many more there are than were asked for. */
  more: number;
}

/** How many entries a table has that was too deep to be shown; null when it is shown. */
export function depthCut(value: Json): number | null {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const keys = Object.keys(value);
  return keys.length === 1 && typeof value.$more === "number" ? value.$more : null;
}

/** What a table of which at most `limit` were asked for holds; null of what is none. */
export function entriesOf(value: Json, limit: number): Entries | null {
  if (Array.isArray(value)) {
    // Up to the limit, {"$more": n} is a deeper table like any other.
    const more = value.length > limit ? (depthCut(value[limit] ?? null) ?? 0) : 0;
    const shown = more > 0 ? value.slice(0, limit) : value;
    return { list: true, entries: shown.map((one, i) => [i, one]), more };
  }
  if (value === null || typeof value !== "object" || isSingle(value)) return null;
  const more = typeof value.$more === "number" ? value.$more : 0;
  const entries = Object.entries(value).filter(([key]) => key !== "$more");
  return { list: false, entries, more };
}

/** {"$int": "…"} and {"$bytes": "…"} */
function isSingle(value: { [key: string]: Json }): boolean {
  const keys = Object.keys(value);
  return keys.length === 1 && (typeof value.$int === "string" || typeof value.$bytes === "string");
}
