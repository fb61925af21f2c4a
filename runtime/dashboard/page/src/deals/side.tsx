// Who bought or sold.
import { AgentLink, Did, Text } from "../ui";
import type { Side } from "./trade";

export function SideOf({ side }: { side: Side | undefined }) {
  if (side === undefined) return <span class="muted">–</span>;
  if (side.here) return <AgentLink name={side.name} />;
  return side.did === undefined ? (
    <Text text={side.name} cut />
  ) : (
    <Did did={side.did} name={side.name} copy={false} />
  );
}
