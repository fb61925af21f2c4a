// What an agent has committed, opened as deep as one wants to look: each level that is opened is asked for.
import { useState } from "preact/hooks";
import { useCall } from "../../feed/polling";
import type { Json as Value } from "../../feed/types";
import { Copy, Empty, Failure, formatNumber, Json, Loading, Panel, visible } from "../../ui";
import { depthCut, entriesOf, keyLabel, pathOf } from "./state_path";

const DEPTH = 2;
const FIRST = 100;
const MOST = 10_000;
const FOLLOW_MS = 1500;

interface Looking {
  name: string;
  again: number;
  every_ms: number | undefined;
}

export function StateBrowser({ name }: { name: string }) {
  const [again, setAgain] = useState(0);
  const [follow, setFollow] = useState(true);
  const looking: Looking = { name, again, every_ms: follow ? FOLLOW_MS : undefined };
  return (
    <Panel
      title="State, as it was last committed"
      actions={
        <>
          <label class="row">
            <input type="checkbox" checked={follow} onChange={() => setFollow(!follow)} /> follow
          </label>
          <button class="button small" type="button" onClick={() => setAgain(again + 1)}>
            Refresh
          </button>
        </>
      }
    >
      <div class="json">
        <Asked looking={looking} path="" />
      </div>
    </Panel>
  );
}

/** A table that is asked for by itself. */
function Asked({ looking, path }: { looking: Looking; path: string }) {
  const [limit, setLimit] = useState(FIRST);
  const { state } = useCall(
    "agent.state",
    { name: looking.name, ...(path === "" ? {} : { path }), depth: DEPTH, limit },
    { every_ms: looking.every_ms, again: looking.again },
  );
  const { data, error } = state.value;
  if (data === null) return error === null ? <Loading /> : <Failure error={error} />;
  const table = entriesOf(data.value, limit);
  if (path === "" && (table === null || table.entries.length === 0)) {
    return (
      <Empty title="The state is empty">
        What a handler writes to <code>state</code> is kept with its commit, and shown here.
      </Empty>
    );
  }
  return (
    <>
      {error !== null && <div class="bad">{visible(error.message)}</div>}
      <Content
        looking={looking}
        path={path}
        value={data.value}
        limit={limit}
        onMore={limit < MOST ? () => setLimit(limit * 10) : undefined}
      />
    </>
  );
}

interface ContentProps {
  looking: Looking;
  path: string;
  value: Value;
  limit: number;
  onMore: (() => void) | undefined;
}

function Content({ looking, path, value, limit, onMore }: ContentProps) {
  const table = entriesOf(value, limit);
  if (table === null) return <Json value={value} />;
  return (
    <div>
      {table.entries.map(([key, inner]) => (
        <Entry
          key={key}
          looking={looking}
          path={pathOf(path, key)}
          label={keyLabel(key)}
          value={inner}
          limit={limit}
        />
      ))}
      {table.more > 0 && (
        <button
          class="button quiet small"
          type="button"
          disabled={onMore === undefined}
          onClick={onMore}
        >
          {formatNumber(table.more)} more{onMore === undefined ? "; haggle state shows them" : ""}
        </button>
      )}
    </div>
  );
}

function Entry({
  looking,
  path,
  label,
  value,
  limit,
}: {
  looking: Looking;
  path: string;
  label: string;
  value: Value;
  limit: number;
}) {
  const [open, setOpen] = useState(false);
  const cut = depthCut(value);
  const table = cut === null ? entriesOf(value, limit) : null;
  const count = cut ?? (table === null ? 0 : table.entries.length + table.more);
  if (count === 0) {
    return (
      <div class="state-leaf">
        <Json name={label} value={value} />
      </div>
    );
  }
  const small =
    table !== null &&
    table.more === 0 &&
    table.entries.every(([, inner]) => depthCut(inner) === null);
  return (
    <div>
      <span class="row state-row">
        <button class="json-fold" type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span class="muted">{open ? "▾ " : "▸ "}</span>
          <span class="json-key">{visible(label)}</span>
          <span class="muted">
            {table?.list === true ? ` [${formatNumber(count)}]` : ` {${formatNumber(count)}}`}
          </span>
        </button>
        <Copy text={path} what="Copy the path" />
      </span>
      {open && (
        <div class="json-inner">
          {small ? (
            // All of it is here already, as of the latest look.
            <Content looking={looking} path={path} value={value} limit={limit} onMore={undefined} />
          ) : (
            <Asked looking={looking} path={path} />
          )}
        </div>
      )}
    </div>
  );
}
