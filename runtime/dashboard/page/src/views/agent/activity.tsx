// What an agent did lately, from the host's trace: newest first.
import { useEffect, useState } from "preact/hooks";
import { call, live, type CallError, type FeedError } from "../../feed/connection";
import type { TraceEvent } from "../../feed/types";
import { to } from "../../route";
import {
  Badge,
  Did,
  Empty,
  Failure,
  formatDuration,
  Id,
  Loading,
  Panel,
  Performative,
  Status,
  Text,
  Time,
  visible,
} from "../../ui";

const KEPT = 500;
const STEP = 60;
const EVERY_MS = 1000;

/** Asks each second for what came since; orders begin anew when the host does. */
function useTrace(agent: string): { events: TraceEvent[] | null; error: FeedError | null } {
  const [events, setEvents] = useState<TraceEvent[] | null>(null);
  const [error, setError] = useState<FeedError | null>(null);
  const is = live.value;
  useEffect(() => {
    if (!is) return undefined;
    let over = false;
    let after = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = () => {
      if (document.hidden) {
        timer = setTimeout(ask, EVERY_MS);
        return;
      }
      call("trace", { agent, after, limit: 200 })
        .then(
          (fresh) => {
            if (over) return;
            const first = after === 0;
            after = fresh[0]?.order ?? after;
            setError(null);
            setEvents((before) =>
              first
                ? fresh
                : fresh.length === 0
                  ? before
                  : [...fresh, ...(before ?? [])].slice(0, KEPT),
            );
          },
          (failed: CallError) => !over && setError(failed),
        )
        .finally(() => {
          if (!over) timer = setTimeout(ask, EVERY_MS);
        });
    };
    ask();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [agent, is]);
  return { events, error };
}

export function Activity({ agent }: { agent: string }) {
  const { events, error } = useTrace(agent);
  const [shown, setShown] = useState(STEP);
  if (error !== null && events === null) return <Failure error={error} />;
  if (events === null) return <Loading />;
  if (events.length === 0) {
    return (
      <Panel>
        <Empty title="No recent activity">
          The host remembers its latest 8192 events, of all agents together.{" "}
          <a href={to.agent(agent, "ask")}>Ask it something</a>
        </Empty>
      </Panel>
    );
  }
  return (
    <Panel flush>
      <div class="table-wrap">
        <table class="table activity" aria-label="Activity, newest first">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Event</th>
              <th scope="col">Message or handler</th>
              <th scope="col">With</th>
              <th scope="col" class="wide">
                Dialogue
              </th>
              <th scope="col" class="grows">
                Outcome
              </th>
            </tr>
          </thead>
          <tbody>
            {events.slice(0, shown).map((event) => (
              <Row key={event.order} agent={agent} event={event} />
            ))}
          </tbody>
        </table>
      </div>
      {events.length > shown && (
        <button class="button quiet" type="button" onClick={() => setShown(shown + STEP)}>
          Show {events.length - shown} older
        </button>
      )}
    </Panel>
  );
}

const WORDS: Record<TraceEvent["what"], string> = {
  heard: "→ received",
  said: "← sent",
  stretch: "handled",
  timer: "timer",
  dead: "dead letter",
};

function Row({ agent, event }: { agent: string; event: TraceEvent }) {
  const { message, thread, peer } = event;
  return (
    <tr>
      <td>
        <Time ms={event.time_ms} millis />
      </td>
      <td class={event.what === "dead" ? "bad" : event.what === "stretch" ? "muted" : undefined}>
        {WORDS[event.what] ?? visible(event.what)}
      </td>
      <td>
        <Name event={event} />
        {message !== undefined && event.what !== "stretch" && (
          <>
            {" "}
            <Id id={message} href={to.message(message)} />
          </>
        )}
      </td>
      <td>
        {peer !== undefined && (
          <Did
            did={peer}
            {...(event.peer_name === undefined ? {} : { name: event.peer_name })}
            copy={false}
          />
        )}
      </td>
      <td class="wide">
        {thread !== undefined && peer !== undefined && (
          <Id id={thread} href={to.dialogue(agent, peer, thread)} />
        )}
      </td>
      <td class="activity-why">
        <Outcome event={event} />
      </td>
    </tr>
  );
}

/** "market/1.0/bid" as market/1.0 bid, the latter in its colour. */
function Name({ event }: { event: TraceEvent }) {
  const match = /^(.+)\/([^/]+)$/.exec(event.name);
  if (match === null || event.what === "stretch" || event.what === "timer")
    return <Text text={event.name} />;
  return (
    <>
      <Performative name={match[2] ?? ""} /> <span class="muted">{visible(match[1] ?? "")}</span>
    </>
  );
}

function Outcome({ event }: { event: TraceEvent }) {
  if (event.what === "timer") {
    return (
      <span class="muted">
        due <Time ms={event.due_ms} />
      </span>
    );
  }
  if (event.what === "dead") {
    return (
      <>
        <Badge tone="bad">{visible(event.code ?? "")}</Badge> <Text text={event.why ?? ""} />
      </>
    );
  }
  if (event.what !== "stretch") return null;
  const took = <span class="muted num">{formatDuration((event.took_us ?? 0) / 1000)}</span>;
  const attempt =
    (event.attempt ?? 1) > 1 ? <Badge tone="wait">attempt {event.attempt}</Badge> : null;
  if (event.end === "raised") {
    return (
      <>
        <Status state="raised" /> {attempt} <Text text={event.why ?? ""} /> {took}
      </>
    );
  }
  return (
    <>
      {event.end === "waits" ? (
        <span class="wait">waits{event.for === undefined ? "" : ` for ${visible(event.for)}`}</span>
      ) : (
        <span class="good">done</span>
      )}{" "}
      {attempt} {took}
    </>
  );
}
