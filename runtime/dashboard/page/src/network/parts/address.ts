// Where a thing of the graph leads.
import { to } from "../../route";
import type { Hit } from "../hit";
import type { Node } from "../model";
import { dialoguesOf } from "../words";

/** Agents of this host have a page; of others there are the dialogues with them. */
export function addressOf(node: Node): string | undefined {
  if (node.kind !== "agent") return undefined;
  return node.here ? to.agent(node.name) : to.dialogues({ peer: node.did });
}

export function addressOfHit(hit: Hit): string | undefined {
  if (hit.node) return addressOf(hit.node);
  return hit.tie && dialoguesOf(hit.tie.from, hit.tie.to);
}
