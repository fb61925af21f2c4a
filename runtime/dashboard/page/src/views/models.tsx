// The models that this host runs or asks: how many calls wait, how they are batched, how long they take.
import type { ComponentChildren } from "preact";
import { useTopic } from "../feed/connection";
import type { Model, Percentiles, TensorShape } from "../feed/types";
import { setQuery } from "../route";
import {
  AgentLink,
  Badge,
  Bytes,
  Duration,
  Empty,
  Facts,
  formatBytes,
  formatCount,
  Failure,
  formatDuration,
  formatNumber,
  formatShare,
  formatShort,
  Loading,
  Num,
  Panel,
  Select,
  Stat,
  Status,
  Table,
  Text,
  ViewHead,
  visible,
  type Column,
} from "../ui";
import type { ViewProps } from "./index";
import { Occupancy } from "./models/occupancy";
import { useRates } from "./models/rates";
import "./models.css";

export default function Models({ query }: ViewProps) {
  const topic = useTopic("models", { every_ms: 1000 });
  const { data, error, stale } = topic.value;
  const rates = useRates(data);
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  const only = query.get("name") ?? "";
  const shown = data.models.filter((model) => only === "" || model.name === only);
  return (
    <div class={`stack ${stale ? "models-stale" : ""}`}>
      <ViewHead
        title="Models"
        note={summary(data.models)}
        actions={
          data.models.length > 1 && (
            <Select
              label="Model"
              value={only}
              options={[
                ["", "all models"],
                ...data.models.map((model) => [model.name, visible(model.name)] as const),
              ]}
              onChange={(name) => setQuery({ name })}
            />
          )
        }
      />
      {data.models.length === 0 ? (
        <Panel>
          <Empty title="No models on this host">
            <code>
              haggle run agents/collector --model market=std/market.safetensors --allow infer=market
            </code>{" "}
            opens one and lets an agent ask it.
          </Empty>
        </Panel>
      ) : (
        shown.map((model) => (
          <ModelPanel key={model.name} model={model} rate={rates.get(model.name) ?? []} />
        ))
      )}
    </div>
  );
}

function summary(models: Model[]): string {
  const waiting = models.reduce((sum, model) => sum + model.queue.waiting, 0);
  const running = models.reduce((sum, model) => sum + model.queue.running, 0);
  return `${formatCount(models.length, "model")}, ${formatCount(waiting, "call")} waiting, ${formatNumber(running)} running`;
}

/** What went wrong, by kind. */
function failuresOf(model: Model): [string, number][] {
  const all: [string, number][] = [
    ["failed", model.failed],
    ["timed out", model.timeouts],
    ["refused: queue full", model.refused],
    ["with invalid output", model.garbage],
    ["with invalid input", model.invalid],
    ["cancelled", model.cancelled],
  ];
  return all.filter(([, count]) => count > 0);
}

function ModelPanel({ model, rate }: { model: Model; rate: number[] }) {
  const failures = failuresOf(model);
  const failed = model.failed + model.timeouts + model.refused + model.garbage;
  const stuck = model.queue.runs_for_ms > 30_000;
  return (
    <Panel
      title={
        <span class="row">
          <Text text={model.name} />
          <Badge>{model.kind === "language" ? "language" : "tensors"}</Badge>
          <span class="muted models-engine">
            <Text text={model.engine} /> on <Text text={model.device} />
          </span>
        </span>
      }
      actions={
        stuck ? (
          <Status state={`running for ${formatDuration(model.queue.runs_for_ms)}`} tone="wait" />
        ) : (
          <Status
            state={
              model.queue.running > 0 ? "running" : model.queue.waiting > 0 ? "waiting" : "idle"
            }
            tone={model.queue.running > 0 ? "good" : model.queue.waiting > 0 ? "wait" : "idle"}
          />
        )
      }
    >
      <div class="stack">
        {model.note !== null && (
          <p class="models-note wait">
            <Text text={model.note} />
          </p>
        )}
        <div class="stats">
          <Stat
            label="Calls per second"
            note={`${formatNumber(model.calls)} in total`}
            spark={rate}
            slots={60}
          >
            {formatShort(meanOf(rate.slice(-5)))}
          </Stat>
          <Stat
            label="Queue"
            note={`${formatNumber(model.queue.running)} running`}
            tone={model.queue.waiting > 100 ? "wait" : undefined}
          >
            <Num value={model.queue.waiting} short />
          </Stat>
          <Stat
            label="Latency p50"
            title="From a call to its result"
            note={`p99 ${formatDuration(model.told.p99_ms)}`}
          >
            <Duration ms={model.told.p50_ms} />
          </Stat>
          <Stat label="Batch size" note={`mean, at most ${formatNumber(model.batches.most)}`}>
            {formatNumber(model.batches.mean)}
          </Stat>
          <Stat
            label="Failed"
            note={failed === 0 ? "none" : formatShare(failed / Math.max(1, model.calls))}
            tone={failed > 0 ? "bad" : undefined}
          >
            <Num value={failed} short />
          </Stat>
          <Memory model={model} />
        </div>
        <div class="models-parts">
          <Occupancy batches={model.batches} />
          <Times model={model} />
          <Callers agents={model.agents} />
        </div>
        <details>
          <summary>Inputs, outputs and counters</summary>
          <Description model={model} failures={failures} />
        </details>
      </div>
    </Panel>
  );
}

function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function Memory({ model }: { model: Model }) {
  const onDevice = (model.device_memory ?? 0) > 0;
  return (
    <Stat
      label={onDevice ? "Device memory" : "Memory"}
      note={onDevice ? `${formatBytes(model.host_memory)} on the host` : "on the host"}
    >
      <Bytes value={onDevice ? model.device_memory : model.host_memory} />
    </Stat>
  );
}

function Times({ model }: { model: Model }) {
  const rows: [string, Percentiles][] = [
    ["queue", model.wait],
    ["batch", model.run],
    ...(model.first_token === undefined
      ? []
      : ([["first token", model.first_token]] as [string, Percentiles][])),
    ["call to result", model.told],
  ];
  return (
    <div>
      <h3>Latency</h3>
      <table class="table models-small">
        <thead>
          <tr>
            <th scope="col"></th>
            <th scope="col" class="number">
              p50
            </th>
            <th scope="col" class="number">
              p99
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([label, times]) => (
            <tr key={label}>
              <td>{label}</td>
              <td class="number">
                <Duration ms={times.p50_ms} />
              </td>
              <td class="number">
                <Duration ms={times.p99_ms} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type Caller = Model["agents"][number];

const callers: Column<Caller>[] = [
  { key: "agent", label: "Agent", grows: true, render: (one) => <AgentLink name={one.agent} /> },
  { key: "calls", label: "Calls", number: true, render: (one) => <Num value={one.calls} /> },
  { key: "open", label: "Open", number: true, render: (one) => <Num value={one.open} /> },
];

function Callers({ agents }: { agents: Caller[] }) {
  return (
    <div>
      <h3>Callers</h3>
      <Table
        label="Agents with the most calls"
        columns={callers}
        rows={agents}
        rowKey={(one) => one.agent}
        empty={<p class="muted models-none">None yet. An agent needs the grant infer=NAME.</p>}
      />
    </div>
  );
}

function Description({ model, failures }: { model: Model; failures: [string, number][] }) {
  return (
    <Facts
      facts={[
        ["File", <Text text={model.file} />],
        [
          "About",
          <Text
            text={typeof model.about === "string" ? model.about : JSON.stringify(model.about)}
          />,
        ],
        ...(model.inputs === undefined
          ? []
          : ([["Inputs", <Shapes shapes={model.inputs} />]] as Fact[])),
        ...(model.outputs === undefined
          ? []
          : ([["Outputs", <Shapes shapes={model.outputs} />]] as Fact[])),
        ...(model.tasks === undefined
          ? []
          : ([["Tasks", model.tasks.map((task) => visible(task)).join(", ")]] as Fact[])),
        ...(model.context === undefined
          ? []
          : ([["Context", `${formatNumber(model.context)} tokens`]] as Fact[])),
        ["Completed", formatNumber(model.done)],
        [
          "Not completed",
          failures.length === 0
            ? "none"
            : failures.map(([why, count]) => `${formatNumber(count)} ${why}`).join(", "),
        ],
        ["Batches", batchesOf(model)],
        ...counted(model),
      ]}
    />
  );
}

function batchesOf({ batches }: Model): string {
  const parts = [formatNumber(batches.count)];
  if (batches.joined > 0) parts.push(`${formatNumber(batches.joined)} calls joined a running one`);
  if (batches.on_loop > 0)
    parts.push(`${formatNumber(batches.on_loop)} of them on the host's loop`);
  return parts.join(", ");
}

type Fact = [string, ComponentChildren];

function counted(model: Model): Fact[] {
  const facts: Fact[] = [];
  if (model.busy_s !== undefined) facts.push(["Busy", formatDuration(model.busy_s * 1000)]);
  if (model.rows !== undefined && model.rows > 0) facts.push(["Rows", formatNumber(model.rows)]);
  if (model.tokens_in !== undefined && model.kind === "language") {
    facts.push([
      "Tokens",
      `${formatNumber(model.tokens_in)} read, ${formatNumber(model.tokens_reused)} of them cached, ${formatNumber(model.tokens_out)} written`,
    ]);
  }
  if (model.cost !== undefined && model.cost > 0) facts.push(["Cost", formatNumber(model.cost)]);
  return facts;
}

function Shapes({ shapes }: { shapes: TensorShape[] }) {
  return (
    <>
      {shapes.map((one) => (
        <div key={one.name} class="mono">
          {visible(one.name)}: {visible(one.type)}[
          {one.shape.map((size) => size ?? "any").join(", ")}]
        </div>
      ))}
    </>
  );
}
