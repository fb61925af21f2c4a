// The agents of this host, sorted and filtered by it, a page at a time.
import { useTopic } from "../feed/connection";
import type { Agent, AgentSort } from "../feed/types";
import { setQuery, to } from "../route";
import {
  AgentLink,
  Ago,
  Badge,
  Bytes,
  Duration,
  Empty,
  Failure,
  formatNumber,
  Loading,
  Num,
  Panel,
  Search,
  Select,
  Status,
  Table,
  Text,
  ViewHead,
  type Column,
} from "../ui";
import type { ViewProps } from "./index";
import "./agents.css";

const PAGE = 50;
/** Further than that the host does not page: a filter finds what one looks for. */
const OFFSET_MOST = 10_000;

const STATUSES = [
  ["", "Any state"],
  ["running", "running"],
  ["failing", "failing"],
  ["asleep", "asleep"],
  ["starting", "starting"],
  ["held", "held"],
  ["paused", "paused"],
  ["parked", "parked"],
  ["stopped", "stopped"],
] as const;

const SORTS = new Set<string>([
  "name",
  "status",
  "mailbox",
  "memory",
  "cpu",
  "handled",
  "sent",
  "raised",
  "restarts",
  "last",
]);

const columns: Column<Agent>[] = [
  {
    key: "name",
    label: "Agent",
    sorts: true,
    grows: true,
    render: (agent) => (
      <span class="agents-name">
        <AgentLink name={agent.name} />
        {agent.group !== undefined && (
          <Badge>
            <Text text={agent.group} />
          </Badge>
        )}
        <span class="muted agents-about cut">
          <Text text={agent.about ?? ""} />
        </span>
      </span>
    ),
  },
  { key: "status", label: "State", sorts: true, render: (agent) => <AgentStatus agent={agent} /> },
  {
    key: "mailbox",
    label: "Mailbox",
    sorts: true,
    number: true,
    render: (agent) => <Num value={agent.mailbox} />,
  },
  {
    key: "handled",
    label: "Handled",
    sorts: true,
    number: true,
    render: (agent) => <Num value={agent.handled} />,
  },
  {
    key: "sent",
    label: "Sent",
    sorts: true,
    number: true,
    wide: true,
    render: (agent) => <Num value={agent.sent} />,
  },
  {
    key: "raised",
    label: "Raised",
    sorts: true,
    number: true,
    title: "How often a handler raised",
    render: (agent) => (
      <span title={lately(agent)}>
        <Trouble value={agent.raised} />
      </span>
    ),
  },
  {
    key: "restarts",
    label: "Restarts",
    sorts: true,
    number: true,
    wide: true,
    render: (agent) => <Trouble value={agent.restarts} />,
  },
  {
    key: "memory",
    label: "Memory",
    sorts: true,
    number: true,
    wide: true,
    title: "Of its Lua state; none while it is asleep",
    render: (agent) =>
      agent.asleep === true ? <span class="muted">–</span> : <Bytes value={agent.memory_bytes} />,
  },
  {
    key: "cpu",
    label: "CPU time",
    sorts: true,
    number: true,
    wide: true,
    render: (agent) => <Duration ms={agent.cpu_ms} />,
  },
  {
    key: "last",
    label: "Active",
    sorts: true,
    number: true,
    wide: true,
    render: (agent) => <Ago ms={agent.last_ms} />,
  },
];

/** It runs, but its handlers raise. */
function isFailing(agent: Agent): boolean {
  return agent.status === "running" && (agent.raised_lately ?? 0) > 0;
}

export function lately(agent: Agent): string {
  return `${formatNumber(agent.raised_lately)} in the last minute`;
}

export function AgentStatus({ agent }: { agent: Agent }) {
  const failing = isFailing(agent);
  return (
    <span
      class="agents-status"
      title={failing ? `Its handlers raised: ${lately(agent)}` : agent.reason}
    >
      <Status state={failing ? "failing" : agent.status} />
      {agent.asleep === true && (
        <Badge>
          <span title="It has given up its Lua state until it is needed">asleep</span>
        </Badge>
      )}
    </span>
  );
}

function Trouble({ value }: { value: number | undefined }) {
  return (
    <span class={value !== undefined && value > 0 ? "bad" : "muted"}>
      <Num value={value} />
    </span>
  );
}

export default function Agents({ query }: ViewProps) {
  const wanted = query.get("sort") ?? "name";
  const sorting = {
    key: SORTS.has(wanted) ? wanted : "name",
    descending: query.get("descending") === "1",
  };
  const filter = query.get("filter") ?? "";
  const status = STATUSES.find(([value]) => value === query.get("status"))?.[0] ?? "";
  const group = query.get("group") ?? "";
  const offset = offsetOf(query.get("offset"));

  const topic = useTopic("agents", {
    ...(filter === "" ? {} : { filter }),
    ...(status === "" ? {} : { status }),
    ...(group === "" ? {} : { group }),
    sort: sorting.key as AgentSort,
    descending: sorting.descending,
    offset,
    limit: PAGE,
    every_ms: 1000,
  });
  const { data, error, stale } = topic.value;
  const filtered = filter !== "" || status !== "" || group !== "";

  return (
    <div class="stack">
      <ViewHead
        title="Agents"
        note={
          data === null
            ? undefined
            : filtered
              ? `${formatNumber(data.matched)} of ${formatNumber(data.total)} match`
              : `${formatNumber(data.total)} on this host`
        }
        actions={
          <>
            <Search
              label="Filter agents"
              placeholder="Name, about, protocol"
              value={filter}
              onChange={(value) => setQuery({ filter: value, offset: null })}
            />
            <Select
              label="State"
              value={status}
              options={STATUSES}
              onChange={(value) => setQuery({ status: value, offset: null })}
            />
            {group !== "" && (
              <button
                class="button"
                type="button"
                onClick={() => setQuery({ group: null, offset: null })}
              >
                group <Text text={group} /> ✕
              </button>
            )}
          </>
        }
      />
      {error !== null ? (
        <Failure error={error} />
      ) : data === null ? (
        <Loading />
      ) : (
        <>
          <Panel flush>
            <Table
              label="Agents"
              columns={columns}
              rows={data.agents}
              rowKey={(agent) => agent.name}
              href={(agent) => to.agent(agent.name)}
              sorting={sorting}
              onSort={({ key, descending }) =>
                setQuery({ sort: key === "name" ? null : key, descending, offset: null })
              }
              stale={stale}
              empty={<None filtered={filtered} />}
            />
          </Panel>
          <Pages offset={offset} shown={data.agents.length} matched={data.matched} />
        </>
      )}
    </div>
  );
}

function offsetOf(text: string | null): number {
  const offset = Number(text);
  return Number.isInteger(offset) && offset > 0 ? Math.min(offset, OFFSET_MOST) : 0;
}

function None({ filtered }: { filtered: boolean }) {
  if (filtered) {
    return (
      <Empty title="No agent matches">
        <button
          class="button"
          type="button"
          onClick={() => setQuery({ filter: null, status: null, group: null, offset: null })}
        >
          Show all
        </button>
      </Empty>
    );
  }
  return (
    <Empty title="No agents run here">
      <code>haggle new kiosk</code> writes one, <code>haggle run kiosk</code> runs it, and a running
      host is given one more with <code>haggle agent add SCRIPT</code>.
    </Empty>
  );
}

function Pages({ offset, shown, matched }: { offset: number; shown: number; matched: number }) {
  if (matched <= PAGE && offset === 0) return null;
  const next = offset + PAGE;
  const turn = (to: number) => setQuery({ offset: to === 0 ? null : to });
  return (
    <nav class="row" aria-label="Pages">
      <button
        class="button"
        type="button"
        disabled={offset === 0}
        onClick={() => turn(Math.max(0, offset - PAGE))}
      >
        ← Previous
      </button>
      <span class="num muted">
        {shown === 0 ? "none" : `${formatNumber(offset + 1)}–${formatNumber(offset + shown)}`} of{" "}
        {formatNumber(matched)}
      </span>
      <button
        class="button"
        type="button"
        disabled={next >= matched || next > OFFSET_MOST}
        onClick={() => turn(next)}
      >
        Next →
      </button>
      {next > OFFSET_MOST && <span class="muted">A filter finds those further on.</span>}
    </nav>
  );
}
