// The dialogues that an agent has or had lately.
import { peerName } from "../../dialogue/words";
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
  visible,
  type Column,
} from "../../ui";

const columns: Column<Dialogue>[] = [
  {
    key: "peer",
    label: "With",
    render: (one) => <Did did={one.peer} name={peerName(one) ?? ""} copy={false} />,
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
  { key: "last", label: "Last message", render: (one) => <Performative name={one.last ?? ""} /> },
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
      <Status
        state={one.state}
        tone={one.state === "ended" ? "idle" : one.state === "failed" ? "bad" : "good"}
      />
    ),
  },
  {
    key: "why",
    label: "Why",
    grows: true,
    wide: true,
    render: (one) => (
      <span class={one.state === "failed" ? "bad" : "muted"} title={visible(one.why ?? "")}>
        {visible(one.why ?? "")}
      </span>
    ),
  },
  { key: "time", label: "Updated", number: true, render: (one) => <Ago ms={one.last_ms} /> },
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
          <Empty title="No recent dialogues">
            The host no longer remembers older ones.{" "}
            <a href={to.agent(name, "ask")}>Ask it something</a>
          </Empty>
        }
      />
    </Panel>
  );
}
