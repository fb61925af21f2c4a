// What of its work is not done: handlers that wait, and dead letters, which nothing handles any more.
import type { ComponentChildren } from "preact";
import { call } from "../../feed/connection";
import { useCall } from "../../feed/polling";
import type { DeadLetter, SuspendedRun } from "../../feed/types";
import { to } from "../../route";
import {
  Action,
  Ago,
  Badge,
  Did,
  Empty,
  Failure,
  Id,
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

const SHOWN = 100;
const EVERY_MS = 2000;

/** Of one that is stopped the host knows no handlers until it is resumed; dead letters it keeps. */
export function Handlers({ name, stopped }: { name: string; stopped: boolean }) {
  const runs = useCall("runs.list", { agent: name, limit: SHOWN }, { every_ms: EVERY_MS });
  const dead = useCall(
    "dead.list",
    { agent: name, newest: true, limit: SHOWN },
    { every_ms: EVERY_MS },
  );
  return (
    <div class="stack">
      <Listed
        title="Suspended handlers"
        asked={runs}
        columns={runColumns(runs.refresh)}
        empty={
          stopped ? (
            <Empty title="It is stopped">Handlers that wait go on once it is resumed.</Empty>
          ) : (
            <Empty title="No handler waits">
              One that asks another agent, sleeps or calls a service does, until it is answered.
            </Empty>
          )
        }
      />
      <Listed
        title="Dead letters"
        asked={dead}
        columns={deadColumns(dead.refresh)}
        empty={
          <Empty title="No dead letters">
            A message whose handler raises in every attempt is kept here for the operator.
          </Empty>
        }
      />
    </div>
  );
}

function Listed<Row extends { row: number }>({
  title,
  asked: { state },
  columns,
  empty,
}: {
  title: string;
  asked: {
    state: {
      value: {
        data: Row[] | null;
        more: boolean;
        error: { code: string; message: string } | null;
      };
    };
  };
  columns: Column<Row>[];
  empty: ComponentChildren;
}) {
  const { data, more, error } = state.value;
  if (data === null) return error === null ? <Loading /> : <Failure error={error} />;
  return (
    <Panel title={title} flush>
      <Table
        label={title}
        columns={columns}
        rows={data}
        rowKey={({ row }) => String(row)}
        stale={error !== null}
        empty={empty}
      />
      {more && (
        <p class="muted source-rest">
          There are more: <code>haggle runs</code> and <code>haggle dead</code> list all.
        </p>
      )}
    </Panel>
  );
}

/** What happened to whom, and why it is as it is. */
function Why({ code, why }: { code?: string; why?: string | null }) {
  return (
    <span class="bad" title={visible(why ?? "")}>
      {code !== undefined && <Badge tone="bad">{visible(code)}</Badge>} {visible(why ?? "")}
    </span>
  );
}

/** Type of a message, or what else was handled. */
function Type({ type }: { type: string }) {
  const slash = type.lastIndexOf("/");
  if (slash < 0) return <Text text={type} />;
  return (
    <>
      <Performative name={type.slice(slash + 1)} />{" "}
      <span class="muted">{visible(type.slice(0, slash))}</span>
    </>
  );
}

function Waits({ run: { waits } }: { run: SuspendedRun }) {
  const asks = waits.asks ?? [];
  const open = asks.filter(({ answered }) => !answered);
  const [first] = open;
  switch (waits.for) {
    case "sleep":
      return <>for its time</>;
    case "exclusive":
      return (
        <>
          for the lock <Text text={waits.key ?? ""} />
        </>
      );
    case "call":
      return (
        <>
          for a call of <Text text={waits.service ?? ""} />
        </>
      );
    default:
      return first === undefined ? (
        <>for an answer</>
      ) : asks.length > 1 ? (
        <>
          for {open.length} of {asks.length} answers
        </>
      ) : (
        <>
          for <Did did={first.of} copy={false} />
        </>
      );
  }
}

/** The first of the answers that are still due ends it, at the latest. */
function deadlineOf({ waits }: SuspendedRun): number | undefined {
  const open = (waits.asks ?? []).filter(({ answered }) => !answered);
  return (
    waits.until_ms ?? (open.length > 0 ? Math.min(...open.map((ask) => ask.until_ms)) : undefined)
  );
}

function runColumns(refresh: () => void): Column<SuspendedRun>[] {
  const act = async (what: "retry" | "finish" | "drop", { row }: SuspendedRun, done: string) => {
    await call(`runs.${what}`, { row });
    refresh();
    return done;
  };
  return [
    {
      key: "handler",
      label: "Handler",
      render: (run) => (
        <>
          <Type type={run.handler} /> {run.old_script && <Badge tone="wait">older script</Badge>}
        </>
      ),
    },
    { key: "status", label: "State", render: (run) => <Status state={run.status} /> },
    {
      key: "waits",
      label: "Waits",
      grows: true,
      render: (run) =>
        run.status === "waiting" ? <Waits run={run} /> : <Why why={run.why ?? run.raise} />,
    },
    {
      key: "since",
      label: "Since",
      number: true,
      render: ({ waits: { since_ms } }) =>
        since_ms === undefined ? (
          <span class="muted" title="It waited before the host started">
            before the start
          </span>
        ) : (
          <Ago ms={since_ms} />
        ),
    },
    {
      key: "deadline",
      label: "Deadline",
      number: true,
      render: (run) => <Ago ms={deadlineOf(run)} />,
    },
    {
      key: "thread",
      label: "Dialogue",
      wide: true,
      render: (run) =>
        run.thread !== undefined &&
        run.from !== undefined && (
          <Id id={run.thread} href={to.dialogue(run.agent, run.from, run.thread)} />
        ),
    },
    {
      key: "act",
      label: "",
      render: (run) => (
        <span class="acts">
          {run.status !== "waiting" && (
            <Action run={() => act("retry", run, "It is tried again")}>Retry</Action>
          )}
          <Action
            question={{
              title: "Finish this handler?",
              text: "It ends here, as if it had returned: what it has done so far stays done.",
              action: "Finish",
            }}
            run={() => act("finish", run, "The handler has ended")}
          >
            Finish
          </Action>
          <Action
            danger
            question={{
              title: "Drop this handler?",
              text: "It ends here, and its message becomes a dead letter, which can be sent again.",
              action: "Drop",
            }}
            run={() => act("drop", run, "Its message is a dead letter now")}
          >
            Drop
          </Action>
        </span>
      ),
    },
  ];
}

function deadColumns(refresh: () => void): Column<DeadLetter>[] {
  return [
    { key: "time", label: "Died", render: (letter) => <Ago ms={letter.time_ms} /> },
    {
      key: "what",
      label: "Message",
      render: ({ message, kind, timer }) =>
        message === null ? (
          <Text text={timer === undefined ? kind : `${kind} ${timer}`} />
        ) : (
          <>
            <Type type={message.type} /> <Id id={message.id} href={to.message(message.id)} />
          </>
        ),
    },
    {
      key: "from",
      label: "From",
      wide: true,
      render: ({ message }) => message !== null && <Did did={message.from} copy={false} />,
    },
    {
      key: "why",
      label: "Why",
      grows: true,
      render: ({ code, why }) => <Why code={code} why={why} />,
    },
    {
      key: "attempts",
      label: "Attempts",
      number: true,
      wide: true,
      render: (letter) => <Num value={letter.attempts} />,
    },
    {
      key: "act",
      label: "",
      render: ({ row, kind }) => (
        <span class="acts">
          <Action
            impossible={kind === "message" ? null : "Only messages can be sent again."}
            run={async () => {
              await call("dead.resend", { row });
              refresh();
              return "It stands in the mailbox again";
            }}
          >
            Resend
          </Action>
          <Action
            danger
            question={{
              title: "Drop this dead letter?",
              text: "It is forgotten. What was said stays provable as long as the journal has it.",
              action: "Drop",
            }}
            run={async () => {
              await call("dead.drop", { row });
              refresh();
              return "The dead letter is gone";
            }}
          >
            Drop
          </Action>
        </span>
      ),
    },
  ];
}
