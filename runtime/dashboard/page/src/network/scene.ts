// What is drawn at one instant: who is there and how each stands, and the traffic of the window before.
import type { Disc } from "./layout";
import { statusAt, type Link, type Network, type Node, type Tie } from "./model";
import type { Traffic } from "./recording";
import { shapeOf, type Shape } from "./sprites";

export interface Present {
  node: Node;
  status: string;
  shape: Shape;
}

/** What the viewer wants to see; the rest is dimmed. */
export interface Wanted {
  /** Part of a name, a did, a service. */
  text: string;
  status: string;
  service: string;
  /** A host's key. */
  host: string;
  group: string;
}

export const NOTHING_WANTED: Wanted = { text: "", status: "", service: "", host: "", group: "" };

export interface Scene {
  time: number;
  agents: Present[];
  hosts: Present[];
  discs: Disc[];
  links: Link[];
  traffic: Traffic;
  /** Who matches; undefined: nothing is asked for. */
  matches: Set<Node> | undefined;
}

export function sceneAt(
  network: Network,
  discs: Iterable<Disc>,
  traffic: Traffic,
  time: number,
  wanted: Wanted,
): Scene {
  const agents: Present[] = [];
  const hosts: Present[] = [];
  for (const node of network.nodes.values()) {
    const status = statusAt(node, time);
    if (status === null || !node.placed) continue;
    const present = { node, status, shape: shapeOf(status, node.here) };
    (node.kind === "host" ? hosts : agents).push(present);
  }
  const there = new Set<Node | undefined>([undefined]);
  for (const { node } of agents) there.add(node.host);
  for (const { node } of hosts) there.add(node);
  return {
    time,
    agents,
    hosts,
    discs: [...discs].filter((disc) => there.has(disc.host)),
    links: network.links,
    traffic,
    matches: matching(agents, hosts, wanted),
  };
}

function matching(agents: Present[], hosts: Present[], wanted: Wanted): Set<Node> | undefined {
  const { text, status, service, host, group } = wanted;
  if (!text && !status && !service && !host && !group) return undefined;
  const matches = new Set<Node>();
  for (const present of agents) {
    const { node } = present;
    if (text && !matchesText(node, text)) continue;
    if (status && present.shape !== status) continue;
    if (service && !node.services.includes(service)) continue;
    if (host && node.host?.key !== host) continue;
    if (group && familyOf(node.name) !== group) continue;
    matches.add(node);
  }
  if (!status && !service && !group) {
    for (const { node } of hosts) {
      if (host ? node.key === host : matchesText(node, text)) matches.add(node);
    }
  }
  return matches;
}

export function matchesText(node: Node, text: string): boolean {
  const part = text.trim().toLowerCase();
  return (
    node.name.toLowerCase().includes(part) ||
    node.did.toLowerCase().includes(part) ||
    node.about.toLowerCase().includes(part) ||
    node.services.some((service) => service.toLowerCase().includes(part))
  );
}

/** Agents of one description are NAME-1, NAME-2, …: a family. Empty: it is none of such. */
export function familyOf(name: string): string {
  return /^(.+)-\d+$/.exec(name)?.[1] ?? "";
}

/** Both directions between a pair, as one. */
export function pairsOf(ties: readonly Tie[]): { a: Tie; b: Tie | undefined }[] {
  const pairs: { a: Tie; b: Tie | undefined }[] = [];
  const stamp = ties[0]?.stamp;
  for (const tie of ties) {
    const back = tie.to.ties.get(tie.from);
    const both = back !== undefined && back !== tie && back.stamp === stamp;
    if (both && back.serial < tie.serial) continue;
    pairs.push({ a: tie, b: both ? back : undefined });
  }
  return pairs;
}
