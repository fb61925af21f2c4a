// The graph in the page: the stage over a watch, what is under the pointer, and where a click leads.
import { useEffect, useRef, useState } from "preact/hooks";
import { go } from "../../route";
import { formatNumber, visible } from "../../ui";
import type { Hit } from "../hit";
import { nameOf, statusAt, type Node } from "../model";
import { Stage } from "../stage";
import type { Watch } from "../watch";
import { times } from "../words";
import { addressOf, addressOfHit } from "./address";

interface GraphProps {
  watch: Watch;
  selected: Node | undefined;
  onSelect(node: Node | undefined): void;
  /** Hands the stage to those who steer it. */
  onStage(stage: Stage | undefined): void;
  onKey(event: KeyboardEvent): boolean;
}

interface Hover {
  hit: Hit;
  x: number;
  y: number;
}

export function Graph(props: GraphProps) {
  const { watch, selected } = props;
  const place = useRef<HTMLDivElement>(null);
  const stage = useRef<Stage>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const [hover, setHover] = useState<Hover>();

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const made = new Stage(element, {
      scene: () => watch.scene(),
      choose: (hit) => {
        if (hit.tie) {
          const address = addressOfHit(hit);
          if (address) go(address);
        } else latest.current.onSelect(hit.node);
      },
      open: (hit) => {
        const address = addressOfHit(hit);
        if (address) go(address);
        else if (!hit.node) made.fit("viewer");
      },
      hover: (hit, x, y) => {
        made.hover(hit.node, hit.tie);
        element.classList.toggle("net-over", hit.node !== undefined || hit.tie !== undefined);
        setHover(hit.node || hit.tie ? { hit, x, y } : undefined);
      },
      key: (event) => {
        const { selected: node } = latest.current;
        if (event.key === "Enter" && node) {
          const address = addressOf(node);
          if (address) go(address);
          return address !== undefined;
        }
        return latest.current.onKey(event);
      },
    });
    stage.current = made;
    latest.current.onStage(made);
    return () => {
      latest.current.onStage(undefined);
      made.destroy();
    };
  }, [watch]);

  useEffect(() => {
    if (!stage.current) return;
    stage.current.focus.selected = selected;
    stage.current.changed();
  }, [selected]);

  return (
    <div
      class="net-canvas"
      ref={place}
      tabIndex={0}
      role="img"
      aria-label="The network as a graph. Arrows move it, plus and minus zoom, 0 shows all of it; n and p go from agent to agent, Enter opens one. The table shows the same as text."
    >
      {hover && <Tip hover={hover} watch={watch} />}
    </div>
  );
}

function Tip({ hover: { hit, x, y }, watch }: { hover: Hover; watch: Watch }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = element.current;
    const room = box?.parentElement;
    if (!box || !room) return;
    // Beside the pointer, on the side where there is room.
    const left = x + 14 + box.offsetWidth > room.clientWidth ? x - 14 - box.offsetWidth : x + 14;
    const top = y + 14 + box.offsetHeight > room.clientHeight ? y - 14 - box.offsetHeight : y + 14;
    box.style.left = `${Math.max(4, left)}px`;
    box.style.top = `${Math.max(4, top)}px`;
  }, [x, y, hit.node, hit.tie]);
  return (
    <div class="net-tip" ref={element} aria-hidden="true">
      {hit.node ? <NodeTip node={hit.node} watch={watch} /> : hit.tie && <TieTip hit={hit} />}
    </div>
  );
}

function NodeTip({ node, watch }: { node: Node; watch: Watch }) {
  const status = statusAt(node, watch.at.value) ?? "gone";
  const host =
    node.kind === "agent" && node.host && !node.here ? ` on ${visible(nameOf(node.host))}` : "";
  return (
    <>
      <strong>{visible(nameOf(node))}</strong>
      <div>{node.kind === "host" ? "host" : visible(status) + host}</div>
      {node.services.length > 0 && (
        <div class="muted">{visible(node.services.slice(0, 4).join(", "))}</div>
      )}
      {node.here && node.kind === "agent" && (
        <div class="muted num">
          {formatNumber(node.handled)} handled, {formatNumber(node.mailbox)} waiting
          {status === "failing" && `, raised ${times(node.raised, "time")} in a minute`}
        </div>
      )}
    </>
  );
}

function TieTip({ hit }: { hit: Hit }) {
  const tie = hit.tie;
  if (!tie) return null;
  const back = tie.to.ties.get(tie.from);
  const both = back && back.stamp === tie.stamp ? back : undefined;
  const line = (from: Node, to: Node, count: number) => (
    <div class="num">
      {visible(nameOf(from))} → {visible(nameOf(to))}: {formatNumber(count)}
    </div>
  );
  return (
    <>
      {line(tie.from, tie.to, tie.count)}
      {both && line(both.from, both.to, both.count)}
      <div class="muted">messages in 10 s; click for their dialogues</div>
    </>
  );
}
