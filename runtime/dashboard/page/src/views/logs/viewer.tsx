// Lines of the log as they come, filtered by the host. Whoever scrolls up, or pauses, reads on undisturbed: what
// comes meanwhile is counted, and is there afterwards.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useTopic } from "../../feed/connection";
import type { LogLevel, LogLine } from "../../feed/types";
import { setQuery, to } from "../../route";
import { isTyping } from "../../shell/typing";
import {
  AgentLink,
  copyText,
  Empty,
  Facts,
  Failure,
  formatNumber,
  Json,
  Loading,
  Search,
  Select,
  Text,
  Time,
  visible,
} from "../../ui";
import { VirtualList } from "../../ui/virtual";
import { fieldsInLine } from "./fields";
import "./viewer.css";

const ROW_PX = 22;
const LEVELS = [
  ["", "All levels"],
  ["info", "info and above"],
  ["warn", "warn and above"],
  ["error", "errors"],
] as const;

interface LogViewerProps {
  query: URLSearchParams;
  /** Of one agent only. */
  agent?: string;
}

export function LogViewer({ query, agent }: LogViewerProps) {
  const level = LEVELS.find(([value]) => value === query.get("level"))?.[0] ?? "";
  const text = query.get("text") ?? "";
  const of = agent ?? query.get("agent") ?? "";
  const topic = useTopic("logs", {
    ...(of === "" ? {} : { agent: of }),
    ...(level === "" ? {} : { level: level as LogLevel }),
    ...(text === "" ? {} : { text }),
    every_ms: 250,
  });
  const { data, error, stale } = topic.value;
  const [frozen, setFrozen] = useState<LogLine[] | null>(null);
  const [chosen, setChosen] = useState<LogLine | null>(null);
  useEffect(() => {
    setFrozen(null);
    setChosen(null);
  }, [of, level, text]);

  const lines = data?.lines ?? [];
  const shown = frozen ?? lines;
  const pause = (is: boolean) => setFrozen(is ? shown : null);
  // With the keyboard one goes from line to line, beginning with the newest.
  const step = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") setChosen(null);
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const at = chosen === null ? -1 : shown.indexOf(chosen);
    const next = shown[at < 0 ? shown.length - 1 : at + by];
    if (next === undefined) return;
    pause(true);
    setChosen(next);
  };
  usePauseKey(() => pause(frozen === null));
  const filtered = level !== "" || text !== "" || (agent === undefined && of !== "");

  return (
    <section
      class={`logs panel ${agent === undefined ? "" : "logs-of-agent"} ${stale ? "logs-stale" : ""}`}
    >
      <header class="row logs-head">
        <Search
          label="Text in the log"
          placeholder="Text, field, agent"
          value={text}
          onChange={(value) => setQuery({ text: value })}
        />
        <Select
          label="Level"
          value={level}
          options={LEVELS}
          onChange={(value) => setQuery({ level: value })}
        />
        {agent === undefined && (
          <Search
            label="Agent"
            value={of}
            onChange={(value) => setQuery({ agent: value })}
            class="logs-agent"
          />
        )}
        <button
          class="button"
          type="button"
          aria-pressed={frozen !== null}
          title="p"
          onClick={() => pause(frozen === null)}
        >
          {pauseLabel(frozen, lines)}
        </button>
        <Counts shown={shown.length} skipped={data?.skipped ?? 0} />
      </header>
      <div class="logs-lines">
        {error !== null ? (
          <Failure error={error} />
        ) : data === null ? (
          <Loading />
        ) : shown.length === 0 ? (
          <None filtered={filtered} />
        ) : (
          <VirtualList
            label="Log"
            count={shown.length}
            row_px={ROW_PX}
            atEnd={frozen === null}
            onEnd={(is) => (!is || chosen === null) && pause(!is)}
            current={frozen === null || chosen === null ? undefined : frozen.indexOf(chosen)}
            onKeyDown={step}
            render={(i) => {
              const line = shown[i];
              if (line === undefined) return null;
              const key = `${line.order} ${line.time_ms}`;
              return <Line key={key} line={line} chosen={line === chosen} onChoose={setChosen} />;
            }}
          />
        )}
      </div>
      {chosen !== null && <Chosen line={chosen} onClose={() => setChosen(null)} />}
    </section>
  );
}

function usePauseKey(toggle: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== "p" || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      toggle();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

/** While it is paused: how many lines have come since. */
function pauseLabel(frozen: LogLine[] | null, lines: LogLine[]): string {
  if (frozen === null) return "Pause";
  const last = frozen.at(-1);
  const fresh = last === undefined ? lines.length : lines.length - 1 - lines.lastIndexOf(last);
  return fresh > 0 ? `Resume, ${formatNumber(fresh)} new ↓` : "Resume";
}

function Counts({ shown, skipped }: { shown: number; skipped: number }) {
  return (
    <span class="muted num">
      {shown === 1 ? "1 line" : `${formatNumber(shown)} lines`}
      {skipped > 0 && (
        <span
          class="wait"
          title="They came faster than they are sent here; where the host's log goes, they are all there"
        >
          , {formatNumber(skipped)} skipped
        </span>
      )}
    </span>
  );
}

function None({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty title="No line matches">
      None of the latest thousand lines does. New ones that match appear here.
    </Empty>
  ) : (
    <Empty title="Nothing was logged yet">
      <code>haggle log debug</code> makes the host and its agents say more.
    </Empty>
  );
}

function Line({
  line,
  chosen,
  onChoose,
}: {
  line: LogLine;
  chosen: boolean;
  onChoose(line: LogLine | null): void;
}) {
  return (
    <div
      class={`log-line log-${line.level} ${chosen ? "log-chosen" : ""}`}
      onClick={() => {
        if (String(getSelection()) === "") onChoose(chosen ? null : line);
      }}
    >
      <Time ms={line.time_ms} millis />
      <span class="log-level">{line.level}</span>
      <span class="log-who cut" title={visible(line.agent ?? line.module)}>
        {visible(line.agent ?? line.module)}
      </span>
      <span class="log-text">
        {visible(line.text)} <span class="muted">{visible(fieldsInLine(line.fields))}</span>
      </span>
    </div>
  );
}

function Chosen({ line, onClose }: { line: LogLine; onClose(): void }) {
  return (
    <aside class="log-detail" aria-label="The line">
      <div class="row spread">
        <span class={`log-level log-${line.level}`}>{line.level}</span>
        <span class="row">
          <button
            class="button small"
            type="button"
            onClick={() => void copyText(JSON.stringify(line))}
          >
            Copy as JSON
          </button>
          <button class="button small quiet" type="button" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        </span>
      </div>
      <pre class="log-whole">{visible(line.text, true)}</pre>
      <Facts
        facts={[
          ["Time", <Time ms={line.time_ms} millis />],
          [
            "From",
            line.agent === undefined ? (
              <Text text={line.module} />
            ) : (
              <AgentLink name={line.agent} />
            ),
          ],
          ...(line.agent === undefined
            ? []
            : ([["", <a href={to.logs({ agent: line.agent })}>Only this agent's lines</a>]] as [
                string,
                ComponentChildren,
              ][])),
        ]}
      />
      {line.fields !== undefined && <Json value={line.fields} open={3} />}
    </aside>
  );
}
