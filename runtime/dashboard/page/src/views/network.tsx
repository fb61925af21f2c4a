// The network, live: hosts and agents as a graph, who speaks with whom, and what about.
import { useComputed } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { connection, subscribe, type FeedError } from "../feed/connection";
import { route, setQuery } from "../route";
import { Empty, Failure, Loading } from "../ui";
import { matchesText, type Wanted } from "../network/scene";
import { statusNow, type Node } from "../network/model";
import { Graph } from "../network/parts/canvas";
import { Legend } from "../network/parts/legend";
import { Chosen, Summary, Ticker } from "../network/parts/side";
import { Tables } from "../network/parts/tables";
import { Timeline } from "../network/parts/timeline";
import { Tools } from "../network/parts/tools";
import type { Stage } from "../network/stage";
import { Watch } from "../network/watch";
import type { ViewProps } from "./index";
import "./network.css";

export default function NetworkView({ query }: ViewProps) {
  const stage = useRef<Stage>(undefined);
  const [, setStaged] = useState(0);
  const [error, setError] = useState<FeedError>();
  const [legend, setLegend] = useState(false);
  const watch = useWatch(stage, setError);
  const wanted = wantedBy(query);
  const table = query.get("as") === "table";
  const selected = useSelected(watch, query, stage);

  useEffect(() => watch.want(wanted), [watch, JSON.stringify(wanted)]);

  const select = (node: Node | undefined) => setQuery({ agent: "", select: node?.key });
  const find = () => {
    const text = route.peek().query.get("q") ?? ""; // it may be newer than what is shown
    const first = text === "" ? undefined : firstMatch(watch, text);
    if (!first) return;
    select(first);
    stage.current?.centre(first);
  };

  // A table that changes four times a second cannot be read.
  const second = useComputed(() => Math.floor(watch.at.value / 1000));

  if (error) return <Failure error={error} />;
  const known = watch.version.value > 0;
  if (!known && connection.value.state !== "live") return <Loading />;
  const scene = table && second.value >= 0 ? watch.scene() : undefined;
  return (
    <div class="net">
      <Tools
        watch={watch}
        stage={stage.current}
        wanted={wanted}
        table={table}
        legend={legend}
        onLegend={() => setLegend(!legend)}
        onFind={find}
      />
      <div class="net-room">
        {table ? (
          scene ? (
            <Tables scene={scene} />
          ) : (
            <Empty title="Nothing is known yet" />
          )
        ) : (
          <div class="net-picture">
            <Graph
              watch={watch}
              selected={selected}
              onSelect={select}
              onStage={(made) => {
                stage.current = made;
                setStaged((count) => count + 1);
              }}
              onKey={(event) => stepBy(event, watch, selected, select, stage.current)}
            />
            {legend && <Legend />}
            {query.has("fps") && <FramesShown />}
          </div>
        )}
        <aside class="net-side">
          {selected ? (
            <Chosen node={selected} watch={watch} onSelect={select} />
          ) : (
            <>
              <Summary watch={watch} />
              <Ticker watch={watch} />
            </>
          )}
        </aside>
      </div>
      <Timeline watch={watch} />
    </div>
  );
}

/** One watch as long as the view is there, fed by the two topics. */
function useWatch(
  stage: { readonly current: Stage | undefined },
  onError: (error: FeedError) => void,
): Watch {
  const watch = useMemo(
    () =>
      new Watch({
        changed: () => stage.current?.changed(),
        send: (moments, over_ms) => stage.current?.send(moments, over_ms),
        moved: () => {
          if (stage.current && !stage.current.isTouched) stage.current.fit("itself");
        },
      }),
    [],
  );
  useEffect(() => {
    watch.start();
    const stops = [
      // Without arguments: for that there is always a place.
      subscribe("network", {}, (event) => watch.networkEvent(event), { onError }),
      subscribe("deals", {}, (event) => watch.dealsEvent(event)),
      () => watch.stop(),
    ];
    return () => stops.forEach((stop) => stop());
  }, [watch]);
  return watch;
}

function wantedBy(query: URLSearchParams): Wanted {
  return {
    text: query.get("q") ?? "",
    status: query.get("state") ?? "",
    service: query.get("service") ?? "",
    host: query.get("host") ?? "",
    group: query.get("group") ?? "",
  };
}

/** The node that the address names: by its key, or an agent's name (`?agent=kiosk`), which is centred. */
function useSelected(
  watch: Watch,
  query: URLSearchParams,
  stage: { readonly current: Stage | undefined },
): Node | undefined {
  void watch.version.value;
  const key = query.get("select") ?? "";
  const name = query.get("agent") ?? "";
  const named = name ? agentNamed(watch, name) : undefined;
  useEffect(() => {
    if (named) stage.current?.centre(named);
  }, [named]);
  return watch.network.nodes.get(key) ?? named;
}

function agentNamed(watch: Watch, name: string): Node | undefined {
  const agents = [...watch.network.nodes.values()].filter((node) => node.kind === "agent");
  return (
    agents.find((node) => node.here && node.name === name) ??
    agents.find((node) => node.did === name || node.name === name)
  );
}

function firstMatch(watch: Watch, text: string): Node | undefined {
  const matches = [...watch.network.nodes.values()].filter(
    (node) => statusNow(node) !== null && matchesText(node, text),
  );
  const exact = matches.find((node) => node.name === text);
  return exact ?? matches.find((node) => node.kind === "agent") ?? matches[0];
}

/** n and p: from agent to agent, in the order of names; Escape lets go. */
function stepBy(
  event: KeyboardEvent,
  watch: Watch,
  selected: Node | undefined,
  select: (node: Node | undefined) => void,
  stage: Stage | undefined,
): boolean {
  if (event.key === "Escape" && selected) {
    select(undefined);
    return true;
  }
  const by = event.key === "n" ? 1 : event.key === "p" ? -1 : 0;
  const scene = watch.scene();
  if (by === 0 || !scene) return false;
  const agents = scene.agents
    .map(({ node }) => node)
    .filter((node) => scene.matches?.has(node) ?? true);
  agents.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const at = selected ? agents.indexOf(selected) : by > 0 ? -1 : 0;
  const next = agents[(at + by + agents.length) % agents.length];
  if (!next) return false;
  select(next);
  stage?.centre(next);
  return true;
}

function FramesShown() {
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = setInterval(() => {
      const frames = window.haggleFrames?.();
      if (!frames) return;
      setText(
        `${frames.fps} frames/s, longest ${frames.longest_ms.toFixed(0)} ms; sky ${frames.sky_ms.toFixed(1)} ms, ` +
          `ground ${frames.ground_ms.toFixed(1)}+${frames.paint_ms.toFixed(0)} ms × ${frames.grounds}; ${frames.agents} agents, ${frames.ties} ties, ${frames.pulses} pulses`,
      );
    }, 500);
    return () => clearInterval(timer);
  }, []);
  return <output class="net-frames num">{text}</output>;
}
