// The network as this page knows it: hosts, agents, and who has spoken with whom.
//
// The feed's ids hold within one channel only, and a new connection brings new ones. What is drawn has
// to stay where it is, so nodes are known here by what they are: kind, host and did (or name).
import type { NetworkEvent, NetworkNode } from "../feed/types";
import { shortDid } from "../ui/format";
import { kindOf, type Kind } from "./kinds";

export interface Node {
  readonly key: string;
  readonly kind: "host" | "agent";
  name: string;
  did: string;
  /** Of an agent: its host, if that is known. */
  host: Node | undefined;
  /** It is of the host that serves this page. */
  here: boolean;
  handled: number;
  mailbox: number;
  /** Times that its handlers raised within the latest minute. */
  raised: number;
  about: string;
  services: readonly string[];
  /** How it stood since when, in order of time; null: it was gone. */
  life: { at: number; status: string | null }[];
  /** To whom it has spoken. */
  ties: Map<Node, Tie>;
  /** Where it is drawn, and where it is on its way to; in units of the world. */
  x: number;
  y: number;
  toX: number;
  toY: number;
  placed: boolean;
}

/** All that one node says to another. The last four are of the traffic that was computed last. */
export interface Tie {
  readonly from: Node;
  readonly to: Node;
  /** Sorts ties the same way each time. */
  readonly serial: number;
  stamp: number;
  /** Messages within the window. */
  count: number;
  last: number;
  kind: Kind;
}

/** Two hosts that are linked, or were. */
export interface Link {
  a: Node;
  b: Node;
  up: boolean;
  skew_ms: number;
  unacknowledged: number;
}

/** Messages of one tie, within the moment that an event covers. */
export interface Said {
  tie: Tie;
  count: number;
  kind: Kind;
  performative: string;
}

/** What an event brought. */
export interface Applied {
  time: number;
  said: Said[];
  recent: { time: number; said: Said[] }[];
  /** Who stands otherwise than before; null: it is gone, or was not there. */
  turned: { node: Node; before: string | null; after: string | null }[];
  /** Links that came up or went down. */
  relinked: Link[];
  /** Nodes came or went: places have to be found. */
  changed: boolean;
}

const LIFE_MAX = 64; // changes of status remembered of each node

/** Of whom only the key is known, its ends. */
export function nameOf(node: Node): string {
  return node.name || shortDid(node.did);
}

export function statusAt(node: Node, time: number): string | null {
  for (let i = node.life.length - 1; i >= 0; i--) {
    const entry = node.life[i];
    if (entry && entry.at <= time) return entry.status;
  }
  return null;
}

export function statusNow(node: Node): string | null {
  return node.life[node.life.length - 1]?.status ?? null;
}

export class Network {
  readonly nodes = new Map<string, Node>();
  links: Link[] = [];
  /** Agents that the host left out. */
  more = 0;
  private ids = new Map<number, Node>();
  private serial = 0;
  private empty = true;

  /** What is there when the first event arrives is taken to have been there before. */
  apply(event: NetworkEvent & { time_ms: number; whole?: boolean }): Applied {
    const time = event.time_ms;
    const since = this.empty ? -Infinity : time;
    const turned: Applied["turned"] = [];
    const before = event.whole ? new Set(this.nodes.values()) : undefined;
    if (event.whole) this.ids = new Map();
    for (const described of event.nodes ?? []) {
      const [node, was] = this.take(described, since);
      before?.delete(node);
      if (was !== described.status) turned.push({ node, before: was, after: described.status });
    }
    for (const described of event.nodes ?? []) {
      const node = this.ids.get(described.id);
      if (node?.kind === "agent") node.host = this.ids.get(described.host);
    }
    if (event.nodes?.length) this.empty = false;
    const said = this.edges(event.edges ?? []);
    const recent = (event.recent ?? []).map((moment) => ({
      time: moment.time_ms,
      said: this.edges(moment.edges),
    }));
    for (const id of event.gone ?? []) {
      const node = this.ids.get(id);
      this.ids.delete(id);
      if (node) leave(node, time, turned);
    }
    for (const node of before ?? []) leave(node, time, turned);
    // A change that does not name links leaves them as they are.
    const links = this.links;
    if (event.links) this.links = this.linked(event.links);
    if (event.more !== undefined) this.more = event.more;
    return {
      time,
      said,
      recent,
      turned,
      relinked: since === time ? changedLinks(links, this.links) : [],
      changed: turned.some(({ before: was, after }) => was === null || after === null),
    };
  }

  /** Forgets nodes that were gone before `time`: nothing that can be shown names them. */
  forget(time: number): void {
    const dropped = new Set<Node>();
    for (const [key, node] of this.nodes) {
      const last = node.life[node.life.length - 1];
      if (!last || last.status !== null || last.at >= time) continue;
      this.nodes.delete(key);
      dropped.add(node);
    }
    if (dropped.size === 0) return;
    for (const node of this.nodes.values()) {
      for (const other of node.ties.keys()) if (dropped.has(other)) node.ties.delete(other);
    }
  }

  /** The host's clock was set back: nothing is remembered of before. */
  beginAgain(): void {
    for (const [key, node] of this.nodes) {
      const status = statusNow(node);
      if (status === null) this.nodes.delete(key);
      else node.life = [{ at: -Infinity, status }];
    }
  }

  private take(described: NetworkNode, since: number): [node: Node, was: string | null] {
    const key = `${described.kind} ${described.did || described.name}`;
    let node = this.nodes.get(key);
    if (!node) {
      node = {
        key,
        kind: described.kind,
        name: "",
        did: "",
        host: undefined,
        here: false,
        handled: 0,
        mailbox: 0,
        raised: 0,
        about: "",
        services: [],
        life: [],
        ties: new Map(),
        x: 0,
        y: 0,
        toX: 0,
        toY: 0,
        placed: false,
      };
      this.nodes.set(key, node);
    }
    node.name = described.name;
    node.did = described.did;
    node.here = described.here;
    node.handled = described.handled ?? 0;
    node.mailbox = described.mailbox ?? 0;
    node.raised = described.raised_lately ?? 0;
    node.about = described.about ?? node.about;
    node.services = described.services ?? node.services;
    const was = statusNow(node);
    if (was !== described.status) {
      node.life.push({ at: since, status: described.status });
      if (node.life.length > LIFE_MAX) node.life.splice(0, node.life.length - LIFE_MAX);
    }
    this.ids.set(described.id, node);
    return [node, was];
  }

  private edges(edges: NetworkEvent["edges"]): Said[] {
    const said: Said[] = [];
    for (const [from, to, count, performative] of edges) {
      const a = this.ids.get(from);
      const b = this.ids.get(to);
      if (!a || !b || !(count > 0)) continue;
      said.push({ tie: this.tie(a, b), count, kind: kindOf(performative), performative });
    }
    return said;
  }

  private tie(from: Node, to: Node): Tie {
    let tie = from.ties.get(to);
    if (!tie) {
      tie = { from, to, serial: this.serial++, stamp: 0, count: 0, last: 0, kind: "other" };
      from.ties.set(to, tie);
    }
    return tie;
  }

  private linked(links: NetworkEvent["links"]): Link[] {
    const found: Link[] = [];
    for (const link of links) {
      const a = this.ids.get(link.a);
      const b = this.ids.get(link.b);
      if (a && b) found.push({ ...link, a, b });
    }
    return found;
  }
}

function leave(node: Node, time: number, turned: Applied["turned"]): void {
  const before = statusNow(node);
  if (before === null) return;
  node.life.push({ at: time, status: null });
  turned.push({ node, before, after: null });
}

function changedLinks(before: Link[], after: Link[]): Link[] {
  const was = new Map(before.map((link) => [`${link.a.key} ${link.b.key}`, link.up]));
  return after.filter((link) => {
    const up = was.get(`${link.a.key} ${link.b.key}`);
    return up === undefined ? link.up : up !== link.up;
  });
}
