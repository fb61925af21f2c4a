// The sequence diagram: a lane for each side, an arrow for each message, and on the lanes what the agents did
// between. Lines are SVG, words are text; of long dialogues only what is in sight is drawn.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { CheckMark } from "../evidence/verdict";
import type { DialogueMessage } from "../feed/types";
import type { Side } from "../proof/definition";
import { to } from "../route";
import { formatDuration, Performative, performativeTone, stateTone, Time, visible } from "../ui";
import type { Check } from "./check";
import { messageKey } from "./checks";
import {
  arrowY,
  EVENT_HEIGHT,
  GAP_LABELLED_MS,
  gapHeight,
  rowsWithin,
  type EventRow,
  type Layout,
  type MessageRow,
  type Row,
} from "./layout";
import { eventWords, isBad, summary } from "./words";
import "./diagram.css";

const NARROW = 560;
const LANE_INSET = 20;
const ALL_DRAWN = 150;
const BEYOND = 600; // drawn above and below what is in sight

interface Geometry {
  width: number;
  gutter: number;
  x: Record<Side, number>;
}

interface DiagramProps {
  layout: Layout;
  heads: Record<Side, ComponentChildren>;
  /** Whose memory it is: links to other threads are from there. */
  agent: string;
  checks: ReadonlyMap<string, Check>;
  selected: number | null; // index of a message
  onSelect(index: number): void;
  /** Below the last row: what may come next. */
  children?: ComponentChildren;
}

export function Diagram(props: DiagramProps) {
  const { layout, heads, selected, onSelect } = props;
  const body = useRef<HTMLDivElement>(null);
  const width = useWidth(body);
  const geometry = useMemo(() => geometryOf(width), [width]);
  const sight = useSight(body, layout.rows.length > ALL_DRAWN);
  const rows = sight === null ? layout.rows : rowsWithin(layout.rows, sight.from, sight.to);
  useSelectedInSight(body, layout, selected);
  return (
    <div class={`sequence ${width < NARROW ? "sequence-narrow" : ""}`}>
      <div class="sequence-heads" style={{ paddingLeft: `${geometry.gutter}px` }}>
        <div class="sequence-head">{heads.opener}</div>
        <div class="sequence-head sequence-head-other">{heads.other}</div>
      </div>
      <div
        ref={body}
        class="sequence-body"
        role="list"
        aria-label="Messages"
        style={{ height: `${layout.height + 12}px` }}
      >
        {width > 0 && <Lines layout={layout} rows={rows} geometry={geometry} />}
        {width > 0 &&
          rows.map((row) =>
            row.kind === "message" ? (
              <MessageLine
                key={row.key}
                row={row}
                geometry={geometry}
                check={props.checks.get(messageKey(row.message))}
                selected={row.index === selected}
                onSelect={onSelect}
              />
            ) : (
              <EventLine key={row.key} row={row} geometry={geometry} agent={props.agent} />
            ),
          )}
      </div>
      {props.children}
    </div>
  );
}

function geometryOf(width: number): Geometry {
  const gutter = width < NARROW ? 64 : 104;
  return { width, gutter, x: { opener: gutter + LANE_INSET, other: width - LANE_INSET } };
}

// Lines -------------------------------------------------------------------------------------------

function Lines({ layout, rows, geometry }: { layout: Layout; rows: Row[]; geometry: Geometry }) {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return null;
  const top = first === layout.rows[0] ? 0 : first.top;
  const bottom = last === layout.rows.at(-1) ? layout.height + 12 : last.top + last.height;
  const { x, width } = geometry;
  const bars = layout.bars.filter((bar) => bar.bottom >= top && bar.top <= bottom);
  return (
    <svg
      class="sequence-lines"
      aria-hidden="true"
      width={width}
      height={bottom - top}
      viewBox={`0 ${top} ${width} ${bottom - top}`}
      style={{ top: `${top}px` }}
    >
      {(["opener", "other"] as const).map((side) => (
        <g key={side}>
          <line class="lane" x1={x[side]} x2={x[side]} y1={top} y2={bottom} />
          {rows.map((row) => (
            <Break key={row.key} row={row} x={x[side]} />
          ))}
        </g>
      ))}
      {bars.map((bar) => (
        <rect
          key={`${bar.lane}${bar.bottom}`}
          class={bar.bad ? "bar bar-bad" : "bar"}
          x={x[bar.lane] - 4}
          y={bar.top}
          width={8}
          height={Math.max(6, bar.bottom - bar.top)}
          rx={2}
        />
      ))}
      {rows.map((row) =>
        row.kind === "message" ? (
          <Arrow key={row.key} row={row} x={x} />
        ) : (
          <EventDot key={row.key} row={row} x={x[row.lane]} />
        ),
      )}
    </svg>
  );
}

/** Where time was left out, the lane is broken. */
function Break({ row, x }: { row: Row; x: number }) {
  if (row.since_ms === null || row.since_ms < GAP_LABELLED_MS) return null;
  const top = row.top - gapHeight(row.since_ms);
  return (
    <>
      <rect class="lane-gap" x={x - 3} y={top + 2} width={6} height={row.top - top - 4} />
      <line class="lane lane-broken" x1={x} x2={x} y1={top + 2} y2={row.top - 2} />
    </>
  );
}

function Arrow({ row, x }: { row: MessageRow; x: Geometry["x"] }) {
  const { message, from } = row;
  const y = arrowY(row);
  const toRight = from === "opener";
  const [start, end] = [x[from], x[toRight ? "other" : "opener"]];
  const tip = toRight ? end - 5 : end + 5;
  const back = toRight ? tip - 8 : tip + 8;
  const lost = message.state === "refused" || message.state === "undelivered";
  const pending = message.state === "said" || message.state === "held";
  return (
    <g class={`tone-${performativeTone(message.performative)} arrow`}>
      <line
        x1={start}
        x2={lost ? (start + tip) / 2 + (toRight ? 60 : -60) : tip}
        y1={y}
        y2={y}
        class={pending ? "arrow-pending" : undefined}
      />
      {lost ? (
        <path
          class="arrow-lost"
          d={cross((start + tip) / 2 + (toRight ? 66 : -66), y)}
          stroke-width="2"
        />
      ) : (
        <path d={`M${back} ${y - 4.5}L${tip} ${y}L${back} ${y + 4.5}`} />
      )}
    </g>
  );
}

function cross(x: number, y: number): string {
  return `M${x - 5} ${y - 5}l10 10m0-10l-10 10`;
}

function EventDot({ row, x }: { row: EventRow; x: number }) {
  if (row.event.what === "stretch" && !row.elsewhere) return null;
  const y = row.top + EVENT_HEIGHT / 2;
  if (isBad(row.event)) return <path class="event-bad" d={cross(x, y)} stroke-width="2" />;
  return <circle class="event-dot" cx={x} cy={y} r={3.5} />;
}

// Words -------------------------------------------------------------------------------------------

interface MessageLineProps {
  row: MessageRow;
  geometry: Geometry;
  check: Check | undefined;
  selected: boolean;
  onSelect(index: number): void;
}

function MessageLine({ row, geometry, check, selected, onSelect }: MessageLineProps) {
  const { message } = row;
  const words = message.missing === undefined ? summary(message.body) : message.missing;
  return (
    <div role="listitem">
      <Since row={row} geometry={geometry} />
      <button
        type="button"
        class={`sequence-message ${check?.state === "false" ? "sequence-false" : ""}`}
        aria-current={selected ? "true" : undefined}
        data-message={message.id}
        style={{ top: `${row.top}px`, height: `${row.height}px` }}
        onClick={() => onSelect(row.index)}
      >
        <span class="sequence-time" style={{ width: `${geometry.gutter - 8}px` }}>
          <Time ms={message.time_ms} millis={geometry.width >= NARROW} />
          <span class="muted">
            {row.since_ms === null ? "" : `+${formatDuration(row.since_ms)}`}
          </span>
        </span>
        <span class="sequence-label">
          <span class="sequence-words">
            <Performative name={message.performative} />
            {words !== "" && <span class={wordsClass(message)}>{visible(words)}</span>}
          </span>
          <MessageState message={message} />
          {check !== undefined && <CheckMark check={check} bare />}
          <span class="sr">
            {row.from === "opener" ? "from left to right" : "from right to left"}
          </span>
        </span>
      </button>
    </div>
  );
}

function wordsClass(message: DialogueMessage): string {
  return message.missing === undefined ? "sequence-summary" : "sequence-summary muted";
}

/** What became of it, unless it simply arrived. */
function MessageState({ message }: { message: DialogueMessage }) {
  const tone = stateTone(message.state);
  if (tone === "good" || message.state === "received" || message.state === "heard") return null;
  const code = message.code === undefined ? "" : ` (${message.code})`;
  const words = message.state === "said" ? "under way" : message.state;
  return <span class={`sequence-state status-${tone}`}>{visible(`${words}${code}`)}</span>;
}

/** Idle time, in the place of its height. */
function Since({ row, geometry }: { row: Row; geometry: Geometry }) {
  if (row.since_ms === null || row.since_ms < GAP_LABELLED_MS) return null;
  const height = gapHeight(row.since_ms);
  return (
    <div
      class="sequence-gap muted"
      style={{
        top: `${row.top - height}px`,
        height: `${height}px`,
        left: `${geometry.gutter}px`,
      }}
    >
      {formatDuration(row.since_ms)} later
    </div>
  );
}

function EventLine({ row, geometry, agent }: { row: EventRow; geometry: Geometry; agent: string }) {
  const { event, lane, elsewhere } = row;
  const words = visible(eventWords(event));
  const title = visible([event, ...row.timers].map(eventWords).join("\n"), true);
  const inset = LANE_INSET + 12;
  const thread = event.thread;
  return (
    <div role="listitem">
      <Since row={row} geometry={geometry} />
      {row.since_ms !== null && row.since_ms > 0 && (
        <span class="sequence-since muted" style={{ top: `${row.top}px` }}>
          +{formatDuration(row.since_ms)}
        </span>
      )}
      <div
        class={`sequence-event ${isBad(event) ? "bad" : "muted"} ${lane === "other" ? "sequence-event-other" : ""}`}
        style={{
          top: `${row.top}px`,
          left: `${geometry.gutter + inset}px`,
          right: `${inset}px`,
        }}
        title={title}
      >
        {elsewhere && thread !== undefined ? (
          <a href={to.dialogue(event.agent ?? agent, event.peer ?? "-", thread)}>↳ {words}</a>
        ) : (
          words
        )}
      </div>
    </div>
  );
}

// What is in sight --------------------------------------------------------------------------------

function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** Which heights of the element are on the screen, or near it; null: not asked for. */
function useSight(
  ref: RefObject<HTMLElement | null>,
  wanted: boolean,
): { from: number; to: number } | null {
  const [sight, setSight] = useState({ from: 0, to: 2000 });
  useEffect(() => {
    if (!wanted) return undefined;
    let frame = 0;
    const measure = () => {
      frame = 0;
      const top = ref.current?.getBoundingClientRect().top ?? 0;
      // In steps, so that not every pixel draws anew.
      const from = Math.floor((-top - BEYOND) / 200) * 200;
      const to = Math.ceil((innerHeight - top + BEYOND) / 200) * 200;
      setSight((now) => (now.from === from && now.to === to ? now : { from, to }));
    };
    const later = () => {
      if (frame === 0) frame = requestAnimationFrame(measure);
    };
    measure();
    addEventListener("scroll", later, { capture: true, passive: true });
    addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", later, { capture: true });
      removeEventListener("resize", later);
    };
  }, [wanted]);
  return wanted ? sight : null;
}

/** Stepping on must not lead out of sight. */
function useSelectedInSight(
  ref: RefObject<HTMLElement | null>,
  layout: Layout,
  selected: number | null,
): void {
  const shown = useRef<number | null | undefined>(undefined);
  useEffect(() => {
    const before = shown.current;
    shown.current = selected;
    // What was selected when the view opened is where it is.
    if (selected === null || before === undefined || before === selected) return;
    const row = layout.rows.find((one) => one.kind === "message" && one.index === selected);
    if (row === undefined || ref.current === null) return;
    const style = getComputedStyle(ref.current);
    const above = parseFloat(style.getPropertyValue("--above")) || 150;
    const below = parseFloat(style.getPropertyValue("--below")) || 24;
    const top = ref.current.getBoundingClientRect().top + row.top;
    if (top < above) scrollBy({ top: top - above });
    else if (top + row.height > innerHeight - below)
      scrollBy({ top: top + row.height - innerHeight + below });
  }, [selected, layout]);
}
