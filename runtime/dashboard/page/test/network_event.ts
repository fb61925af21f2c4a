// Events of the topic network, for tests: one host that is here (id 0), its agents (1, 2, …).
import type { EventHead, NetworkEdge, NetworkEvent, NetworkNode } from "../src/feed/types";

export function agent(id: number, fields: Partial<NetworkNode> = {}): NetworkNode {
  return {
    id,
    kind: "agent",
    name: `agent-${id}`,
    did: `did:key:z${id}`,
    host: 0,
    status: "running",
    here: true,
    handled: 0,
    mailbox: 0,
    ...fields,
  };
}

export function host(id: number, fields: Partial<NetworkNode> = {}): NetworkNode {
  return {
    ...agent(id),
    kind: "host",
    name: `host-${id}`,
    did: `did:key:zh${id}`,
    host: id,
    ...fields,
  };
}

export function networkEvent(what: {
  time_ms: number;
  whole?: boolean;
  agents?: number;
  nodes?: NetworkNode[];
  gone?: number[];
  edges?: NetworkEdge[];
  links?: NetworkEvent["links"];
  recent?: NetworkEvent["recent"];
}): NetworkEvent & EventHead {
  const made = what.agents === undefined ? [] : [host(0)];
  for (let id = 1; id <= (what.agents ?? 0); id++) made.push(agent(id));
  return {
    event: "network",
    as: "n",
    time_ms: what.time_ms,
    whole: what.whole ?? false,
    nodes: [...made, ...(what.nodes ?? [])],
    gone: what.gone ?? [],
    edges: what.edges ?? [],
    links: what.links ?? [],
    more: 0,
    ...(what.recent ? { recent: what.recent } : {}),
  };
}
