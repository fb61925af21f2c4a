// What it will do by itself, and when.
import { useCall } from "../../feed/polling";
import type { Json as Value } from "../../feed/types";
import {
  Ago,
  Empty,
  Failure,
  formatDuration,
  Json,
  Loading,
  Panel,
  Table,
  Text,
  Time,
  type Column,
} from "../../ui";

type Row = { [field: string]: Value };

const number = (value: Value | undefined) => (typeof value === "number" ? value : null);

/** A cron line with its zone, or an interval. */
function rhythm(row: Row) {
  if (typeof row.cron === "string") {
    return <Text text={typeof row.zone === "string" ? `${row.cron} (${row.zone})` : row.cron} />;
  }
  const every = number(row.every_ms);
  return every === null ? "" : `every ${formatDuration(every)}`;
}

const due: Column<Row> = {
  key: "due",
  label: "Due",
  render: (row) => (
    <>
      <Ago ms={number(row.due_ms)} />{" "}
      <span class="muted">
        <Time ms={number(row.due_ms)} />
      </span>
    </>
  ),
};

const name: Column<Row> = {
  key: "name",
  label: "Name",
  render: (row) => <Text text={typeof row.name === "string" ? row.name : ""} />,
};

const schedules: Column<Row>[] = [
  name,
  { key: "rhythm", label: "When", grows: true, render: rhythm },
  due,
];

const timers: Column<Row>[] = [
  name,
  {
    key: "payload",
    label: "With",
    grows: true,
    render: (row) => {
      const value = row.payload ?? row.data ?? row.body;
      return value === undefined || value === null ? "" : <Json value={value} open={0} />;
    },
  },
  due,
];

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
          rowKey={(row) => JSON.stringify(row)}
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
          rowKey={(row) => JSON.stringify(row)}
          empty={
            <Empty title="No timers">
              <code>agent.after("remind", "5m", …)</code> sets one.
            </Empty>
          }
        />
      </Panel>
    </div>
  );
}
