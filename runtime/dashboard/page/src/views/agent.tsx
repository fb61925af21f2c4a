// One agent: how it stands, what can be done to it, and behind tabs all that is known of it.
import { useTopic } from "../feed/connection";
import type { AgentDetail } from "../feed/types";
import { to } from "../route";
import {
  Ago,
  Bytes,
  Did,
  Duration,
  Empty,
  Failure,
  formatCount,
  formatNumber,
  Loading,
  Num,
  Panel,
  Stat,
  Tabs,
  Text,
  ViewHead,
  visible,
} from "../ui";
import { AgentActions } from "./agent/actions";
import { Activity } from "./agent/activity";
import { About } from "./agent/about";
import { AskBox } from "./agent/ask";
import { AgentDialogues } from "./agent/dialogues";
import { Handlers } from "./agent/handlers";
import { AgentLogs } from "./agent/logs";
import { Source } from "./agent/source";
import { StateBrowser } from "./agent/state";
import { Timers } from "./agent/timers";
import { AgentStatus, lately } from "./agents";
import type { ViewProps } from "./index";
import "./agent.css";

const TABS: [id: string, label: string][] = [
  ["activity", "Activity"],
  ["dialogues", "Dialogues"],
  ["logs", "Logs"],
  ["state", "State"],
  ["timers", "Timers"],
  ["handlers", "Handlers"],
  ["source", "Source"],
  ["ask", "Ask"],
  ["about", "About"],
];

export default function AgentView({ params, query }: ViewProps) {
  const name = params.name ?? "";
  const tab = TABS.find(([id]) => id === params.tab)?.[0] ?? "activity";
  const topic = useTopic("agent", { name, every_ms: 1000 });
  const { data, error, stale } = topic.value;
  if (error?.code === "not_found") {
    return (
      <Empty title={visible(`There is no agent ${name} here`)}>
        It may be on another host, or removed.{" "}
        <a href={to.agents({ filter: name })}>Look for the name</a>
      </Empty>
    );
  }
  if (error !== null) return <Failure error={error} />;
  if (data === null) return <Loading />;
  const { agent } = data;
  return (
    <div class={`stack ${stale ? "agent-stale" : ""}`}>
      <ViewHead
        title={
          <>
            <a href={to.agents()} class="muted">
              Agents
            </a>
            <span class="muted"> / </span>
            <Text text={agent.name} />
          </>
        }
        note={
          <span class="row">
            <AgentStatus agent={agent} />
            <Did did={agent.did} />
            <Text text={agent.about ?? ""} />
          </span>
        }
        actions={<AgentActions agent={agent} />}
      />
      <Troubles agent={agent} />
      <Figures agent={agent} />
      <Tabs
        label={`Of ${visible(agent.name)}`}
        current={tab}
        tabs={TABS.map(([id, label]) => ({
          id,
          label,
          href: to.agent(name, id === "activity" ? undefined : id),
        }))}
      />
      <Content tab={tab} agent={agent} query={query} />
    </div>
  );
}

function Content({
  tab,
  agent,
  query,
}: {
  tab: string;
  agent: AgentDetail;
  query: URLSearchParams;
}) {
  const stopped = agent.mailbox === undefined;
  if (stopped && ["activity", "dialogues", "timers", "ask"].includes(tab)) {
    return (
      <Empty title="It is stopped">
        What waits for it is stored, and goes on once it is resumed.
      </Empty>
    );
  }
  switch (tab) {
    case "dialogues":
      return <AgentDialogues name={agent.name} />;
    case "logs":
      return <AgentLogs name={agent.name} query={query} />;
    case "state":
      return <StateBrowser name={agent.name} />;
    case "timers":
      return <Timers name={agent.name} />;
    case "handlers":
      /* Anew for each: what one decides on is never still another's. */
      return <Handlers key={agent.name} name={agent.name} stopped={stopped} />;
    case "source":
      return <Source name={agent.name} query={query} />;
    case "ask":
      return <AskBox name={agent.name} query={query} />;
    case "about":
      return <About agent={agent} />;
    default:
      return <Activity agent={agent.name} />;
  }
}

/** Why it does not run, and what went wrong last. */
function Troubles({ agent }: { agent: AgentDetail }) {
  const stands = agent.status !== "running" && agent.reason !== undefined;
  const error = agent.last_error ?? "";
  const raise = agent.last_raise ?? "";
  return (
    <>
      {stands && (
        <Panel title={`Agent ${visible(agent.status)}`} class="trouble">
          <pre class="trouble-text">{visible(agent.reason ?? "", true)}</pre>
        </Panel>
      )}
      {(error !== "" || raise !== "") && (
        <Panel title="Last error" class="trouble">
          <pre class="trouble-text">{visible(error, true)}</pre>
          {raise !== "" && raise !== error && <p class="muted">{visible(raise)}</p>}
        </Panel>
      )}
    </>
  );
}

function Figures({ agent }: { agent: AgentDetail }) {
  const stopped = agent.mailbox === undefined;
  if (stopped) return null;
  return (
    <div class="stats">
      <Stat
        label="Mailbox"
        note="messages waiting"
        tone={(agent.mailbox ?? 0) > 100 ? "wait" : undefined}
      >
        <Num value={agent.mailbox} short />
      </Stat>
      <Stat
        label="Messages handled"
        title="Handled by this agent"
        note={`${formatNumber(agent.sent)} sent`}
      >
        <Num value={agent.handled} short />
      </Stat>
      <Stat
        label="Raised"
        note={
          (agent.raised_lately ?? 0) > 0 ? lately(agent) : formatCount(agent.restarts, "restart")
        }
        tone={(agent.raised ?? 0) > 0 ? "bad" : undefined}
      >
        <Num value={agent.raised} short />
      </Stat>
      <Stat
        label="Memory"
        note={agent.asleep === true ? "asleep, none is held" : "of its Lua state"}
      >
        <Bytes value={agent.memory_bytes} />
      </Stat>
      <Stat label="CPU time" note="in handlers">
        <Duration ms={agent.cpu_ms} />
      </Stat>
      <Stat
        label="Last active"
        note={`${formatCount(agent.timers, "timer")}, ${formatNumber(agent.runs)} suspended`}
      >
        <small>
          <Ago ms={agent.last_ms} />
        </small>
      </Stat>
    </div>
  );
}
