// Routes live in the hash: #/agents/kiosk/logs?level=warn. Parts are percent-encoded; filters are in the query, so
// that an address says all that a view shows.
import { signal } from "@preact/signals";

export interface Route {
  /** Decoded parts of the path: ["agents", "kiosk", "logs"]. */
  parts: string[];
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  return { parts: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** "#/agents/a%2Fb?level=warn" of ["agents", "a/b"], {level: "warn"}; empty values are left out. */
export function link(parts: readonly string[], query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) {
      search.set(name, value === true ? "1" : String(value));
    }
  }
  const text = search.toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

/** Addresses of what can be linked to. */
export const to = {
  agents: (query?: Query) => link(["agents"], query),
  agent: (name: string, tab?: string, query?: Query) =>
    link(tab === undefined ? ["agents", name] : ["agents", name, tab], query),
  dialogues: (query?: Query) => link(["dialogues"], query),
  dialogue: (agent: string, peer: string, thid: string) => link(["dialogues", agent, peer, thid]),
  message: (id: string) => link(["message", id]),
  deals: (query?: Query) => link(["deals"], query),
  deal: (id: string) => link(["deals", id]),
  directory: (query?: Query) => link(["directory"], query),
  network: (query?: Query) => link(["network"], query),
  models: (query?: Query) => link(["models"], query),
  logs: (query?: Query) => link(["logs"], query),
};

export const route = signal<Route>(
  parseRoute(typeof location === "undefined" ? "" : location.hash),
);

export function followHash(): void {
  const read = () => {
    route.value = parseRoute(location.hash);
  };
  addEventListener("hashchange", read);
  read();
}

export function go(hash: string): void {
  location.hash = hash;
}

/** Changes the query of the present address, in place: typing in a filter makes no history. */
export function setQuery(change: Query): void {
  const query: Query = { ...Object.fromEntries(route.peek().query), ...change };
  history.replaceState(null, "", link(route.peek().parts, query));
  route.value = parseRoute(location.hash);
}
