// Pause, resume, restart, reload: asked before, carried out by the host, and logged there.
import { call } from "../../feed/connection";
import type { AgentDetail, ReloadAnswer } from "../../feed/types";
import { Action, visible } from "../../ui";

export function AgentActions({ agent }: { agent: AgentDetail }) {
  const name = visible(agent.name);
  // The operator's own side of conversations: it has no script.
  if (agent.script === "" || agent.script === undefined) return null;
  const paused = agent.status === "paused";
  const stopped = agent.status === "stopped" || agent.status === "parked";
  return (
    <>
      {paused || stopped ? (
        <Action
          question={{
            title: `Resume ${name}?`,
            text: stopped
              ? "It begins again, with its state and its mailbox."
              : "It handles what waits for it.",
            action: "Resume",
          }}
          run={async () =>
            `${name} is ${(await call("agent.resume", { name: agent.name })).status}`
          }
        >
          Resume
        </Action>
      ) : (
        <Action
          question={{
            title: `Pause ${name}?`,
            text: "It takes mail and handles none until it is resumed; timers wait too.",
            action: "Pause",
          }}
          run={async () => `${name} is ${(await call("agent.pause", { name: agent.name })).status}`}
        >
          Pause
        </Action>
      )}
      <Action
        question={{
          title: `Reload ${name}?`,
          text: "Its script is read from the disk; its state stays. If the new one does not load, the old one runs on.",
          action: "Reload",
        }}
        impossible={agent.status === "running" ? null : "Only an agent that runs is reloaded."}
        run={async () => reloaded(name, await call("agent.reload", { name: agent.name }))}
      >
        Reload
      </Action>
      <Action
        danger
        question={{
          title: `Restart ${name}?`,
          text: "Its Lua state is made anew from its script. State, mailbox and timers stay; handlers that are at work begin again.",
          action: "Restart",
        }}
        run={async () => {
          await call("agent.restart", { name: agent.name });
          return `${name} was restarted`;
        }}
      >
        Restart
      </Action>
    </>
  );
}

function reloaded(name: string, answer: ReloadAnswer): string {
  const [first] = answer.agents;
  if (answer.failed > 0) throw new Error(first?.why ?? "It could not be reloaded.");
  return answer.unchanged > 0 ? `${name}'s script is as it was` : `${name} runs its new script`;
}
