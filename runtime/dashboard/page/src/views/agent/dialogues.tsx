// The dialogues that an agent has or had lately.
import { useTopic } from "../../feed/connection";
import type { Dialogue } from "../../feed/types";
import { to } from "../../route";
import {
  Ago,
  Did,
  Empty,
  Failure,
  Loading,
  Num,
  Panel,
  Performative,
  Status,
  Table,
  Text,
  type Column,
} from "../../ui";

const columns: Column<Dialogue>[] = [
  {
    key: "peer",
    label: "With",
    grows: true,
    render: (one) => (
      <Did
        did={one.peer}
        {...(one.peer_name === undefined ? {} : { name: one.peer_name })}
        copy={false}
      />
    ),
  },
  {
    key: "protocol",
    label: "Protocol",
    wide: true,
    render: (one) => <Text text={one.protocol ?? ""} />,
  },
  {
    key: "service",
    label: "About",
    wide: true,
    render: (one) => <Text text={one.service ?? ""} />,
  },
  {
    key: "messages",
    label: "Messages",
    number: true,
    render: (one) => <Num value={one.messages} />,
  },
  { key: "last", label: "Last said", render: (one) => <Performative name={one.last ?? ""} /> },
  {
    key: "price",
    label: "Price",
    number: true,
    render: (one) => (one.price === undefined ? "" : <Num value={one.price} />),
  },
  {
    key: "state",
    label: "State",
    render: (one) => (
      <span title={one.why}>
        <Status
          state={one.state}
          tone={one.state === "ended" ? "idle" : one.state === "failed" ? "bad" : "good"}
        />
      </span>
    ),
  },
  { key: "time", label: "Last", number: true, render: (one) => <Ago ms={one.last_ms} /> },
];

export function AgentDialogues({ name }: { name: string }) {
  const topic = useTopic("dialogues", { agent: name, limit: 100, every_ms: 1000 });
  const { data, error, stale } = topic.value;
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  return (
    <Panel
      flush
      title={data.dialogues.length === 0 ? "Dialogues" : `${data.dialogues.length} latest`}
      actions={<a href={to.dialogues({ agent: name })}>Filter them</a>}
    >
      <Table
        label={`Dialogues of ${name}`}
        columns={columns}
        rows={data.dialogues}
        rowKey={(one) => `${one.peer} ${one.thid}`}
        href={(one) => to.dialogue(one.agent, one.peer, one.thid)}
        stale={stale}
        empty={
          <Empty title="No dialogue lately">
            What it said and heard before is beyond what the host remembers.{" "}
            <a href={to.agent(name, "ask")}>Ask it something</a>
          </Empty>
        }
      />
    </Panel>
  );
}
