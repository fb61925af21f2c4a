// Who: agents by name, everybody else by the ends of their key, with a dot whose colour follows from the key.
import { to } from "../route";
import { Copy } from "./copy";
import { shortDid, shortId } from "./format";
import { Text, visible } from "./text";
import "./names.css";

/** The same key has the same colour everywhere. */
export function didHue(did: string): number {
  let hash = 2166136261;
  for (let i = 0; i < did.length; i++) hash = Math.imul(hash ^ did.charCodeAt(i), 16777619);
  return (hash >>> 0) % 360;
}

export function Dot({ did }: { did: string }) {
  return (
    <svg class="dot" viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
      <circle cx="4" cy="4" r="4" fill={`hsl(${didHue(did)} 60% 50%)`} />
    </svg>
  );
}

export function Did({ did, name, copy = true }: { did: string; name?: string; copy?: boolean }) {
  return (
    <span class="did" title={visible(did)}>
      <Dot did={did} />
      {name === undefined || name === "" || name === did ? (
        <span class="mono">{visible(shortDid(did))}</span>
      ) : (
        <Text text={name} />
      )}
      {copy && <Copy text={did} what="Copy the key" />}
    </span>
  );
}

/** An agent of this host. */
export function AgentLink({ name, tab }: { name: string; tab?: string }) {
  return (
    <a class="agent-link cut" href={to.agent(name, tab)} title={visible(name)}>
      <Text text={name} />
    </a>
  );
}

/** A message's, thread's or deal's id, as a link where there is somewhere to go. */
export function Id({ id, href }: { id: string; href?: string }) {
  const short = <span class="mono">{visible(shortId(id))}</span>;
  return (
    <span class="did" title={visible(id)}>
      {href === undefined ? short : <a href={href}>{short}</a>}
      <Copy text={id} what="Copy the id" />
    </span>
  );
}
