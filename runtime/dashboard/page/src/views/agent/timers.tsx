// What it will do by itself, and when.
import { useCall } from "../../feed/polling";
import type { Timer } from "../../feed/types";
import {
  Ago,
  Empty,
  Failure,
  formatBytes,
  formatDuration,
  formatSpan,
  formatNumber,
  visible,
  Json,
  Loading,
  Panel,
  Table,
  Text,
  Time,
  type Column,
} from "../../ui";

/** A cron line with its zone, or an interval. */
function Rhythm({ timer }: { timer: Timer }) {
  if (timer.cron === undefined)
    return (
      <>
        every {timer.every_ms < 1000 ? formatDuration(timer.every_ms) : formatSpan(timer.every_ms)}
      </>
    );
  return (
    <>
      <code>{visible(timer.cron)}</code> <Text text={timer.zone ?? ""} />
    </>
  );
}

function Value({ timer }: { timer: Timer }) {
  if (timer.left_out !== undefined) return <span class="muted">{formatBytes(timer.left_out)}</span>;
  return timer.value === undefined ? null : <Json value={timer.value} open={0} />;
}

const name: Column<Timer> = {
  key: "name",
  label: "Name",
  render: (timer) => <Text text={timer.name} />,
};

const due: Column<Timer> = {
  key: "due",
  label: "Due",
  number: true,
  render: (timer) => (
    <>
      <Ago ms={timer.due_ms} />{" "}
      <span class="muted">
        <Time ms={timer.due_ms} />
      </span>
    </>
  ),
};

const schedules: Column<Timer>[] = [
  name,
  { key: "rhythm", label: "When", grows: true, render: (timer) => <Rhythm timer={timer} /> },
  due,
];

const timers: Column<Timer>[] = [
  name,
  { key: "key", label: "Key", wide: true, render: (timer) => <Text text={timer.key} cut /> },
  { key: "value", label: "Value", grows: true, render: (timer) => <Value timer={timer} /> },
  due,
];

const keyOf = (timer: Timer) => `${timer.name} ${timer.key}`;

export function Timers({ name: agent }: { name: string }) {
  const { state } = useCall("agent.timers", { name: agent }, { every_ms: 2000 });
  const { data, error } = state.value;
  if (error !== null && data === null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  return (
    <div class="stack">
      <Panel title="Schedules" flush>
        <Table
          label="Schedules"
          columns={schedules}
          rows={data.schedules}
          rowKey={keyOf}
          empty={
            <Empty title="No schedules">
              <code>agent.every("sweep", "5m", …)</code> makes one.
            </Empty>
          }
        />
      </Panel>
      <Panel title="Timers" flush>
        <Table
          label="Timers"
          columns={timers}
          rows={data.timers}
          rowKey={keyOf}
          empty={
            <Empty title="No timers">
              <code>agent.after("remind", "5m", …)</code> sets one.
            </Empty>
          }
        />
      </Panel>
      {data.left_out > 0 && <p class="muted">{formatNumber(data.left_out)} more, due later.</p>}
    </div>
  );
}
