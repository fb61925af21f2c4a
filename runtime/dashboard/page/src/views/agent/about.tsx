// What it was described as: script, protocols, limits, grants.
import type { AgentDetail, Json as Value } from "../../feed/types";
import { to } from "../../route";
import {
  Badge,
  Copy,
  Did,
  Facts,
  formatBytes,
  formatDuration,
  formatNumber,
  Panel,
  Text,
  visible,
} from "../../ui";

export function About({ agent }: { agent: AgentDetail }) {
  const grants = listOf(agent.grants);
  return (
    <div class="ask">
      <Panel title="Description">
        <Facts
          facts={[
            ["Key", <Did did={agent.did} />],
            [
              "Script",
              agent.script ? (
                <>
                  <a href={to.agent(agent.name, "source")}>
                    <Text text={agent.script} />
                  </a>{" "}
                  <Copy text={agent.script} />
                </>
              ) : (
                <span class="muted">none: it speaks for whoever operates the host</span>
              ),
            ],
            ["Version", visible(String(agent.version ?? "–"))],
            [
              "Group",
              agent.group === undefined ? (
                "–"
              ) : (
                <a href={to.agents({ group: agent.group })}>
                  <Text text={agent.group} />
                </a>
              ),
            ],
            ["Protocols", <Words words={agent.protocols ?? []} />],
            ["HTTP", <Words words={agent.routes ?? []} />],
            [
              "Grants",
              grants.length === 0 ? (
                <span class="muted">none: it reaches nothing outside</span>
              ) : (
                <Words words={grants} />
              ),
            ],
          ]}
        />
      </Panel>
      {agent.limits !== undefined && (
        <Panel title="Limits">
          <Facts facts={Object.entries(agent.limits).map(limitFact)} />
        </Panel>
      )}
    </div>
  );
}

/** As runtime/agent/limits.h has them: sizes, durations, counts. Zero is none, or half of another. */
function limitFact([name, value]: [string, Value]): [string, string] {
  const label = visible(name.replaceAll("_", " "));
  if (typeof value !== "number") return [label, visible(JSON.stringify(value))];
  if (value === 0) return [label, "–"];
  if (name === "stretch") return [label, formatDuration(value)];
  const size = name.includes("bytes") || ["memory", "state", "outbox"].includes(name);
  return [label, size ? formatBytes(value) : formatNumber(value)];
}

function listOf(value: Value | undefined): string[] {
  return Array.isArray(value)
    ? value.map((one) => (typeof one === "string" ? one : JSON.stringify(one)))
    : [];
}

function Words({ words }: { words: string[] }) {
  if (words.length === 0) return <span class="muted">–</span>;
  return (
    <span class="row">
      {words.map((word) => (
        <Badge key={word}>
          <Text text={word} />
        </Badge>
      ))}
    </span>
  );
}
