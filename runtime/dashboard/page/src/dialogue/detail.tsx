// The selected message, beside the diagram; and what may come next.
import type { ComponentChildren } from "preact";
import type { Check } from "./check";
import { CheckMark, Steps } from "../evidence/verdict";
import type { DialogueMessage, Json as JsonValue } from "../feed/types";
import type { Move } from "../proof/definition";
import { plainJson } from "../proof/value";
import { to } from "../route";
import {
  Bytes,
  Did,
  Empty,
  Facts,
  formatDuration,
  Id,
  Json,
  now,
  Panel,
  Performative,
  Status,
  stateTone,
  Time,
  visible,
} from "../ui";

interface DetailProps {
  message: DialogueMessage | undefined;
  index: number;
  count: number;
  /** undefined: nothing is known of its evidence; null: it is being verified. */
  check: Check | null | undefined;
  /** Of a file: there is no host to ask for more. */
  imported: boolean;
  onStep(by: number): void;
  onClose(): void;
}

export function MessagePanel(props: DetailProps) {
  const { message, index, count, check, imported, onStep, onClose } = props;
  if (message === undefined) {
    return (
      <Panel title="Message" class="dialogue-detail-none">
        <Empty title="No message is selected">
          Step through them with <kbd>j</kbd> and <kbd>k</kbd>, or click one.
        </Empty>
      </Panel>
    );
  }
  const envelope = check?.state === "false" ? undefined : check?.verdict?.parts.envelope;
  const body = envelope === undefined ? message.body : (plainJson(envelope.body) as JsonValue);
  return (
    <Panel
      class="dialogue-detail"
      title={
        <>
          <Performative name={message.performative} />{" "}
          <span class="muted dialogue-place">
            {index + 1} of {count}
          </span>
        </>
      }
      actions={
        <>
          {check !== undefined && <CheckMark check={check} />}
          <Step label="Previous (k)" by={-1} off={index <= 0} onStep={onStep} />
          <Step label="Next (j)" by={1} off={index >= count - 1} onStep={onStep} />
          <button
            class="button small dialogue-close"
            type="button"
            aria-label="Close"
            onClick={onClose}
          >
            ✕
          </button>
        </>
      }
    >
      <div class="stack dialogue-detail-body">
        {check?.state === "false" && (
          <div class="verdict verdict-bad" role="alert">
            <div>
              <strong>False.</strong> {visible(check.why ?? "")} This message is not what was
              signed.
            </div>
          </div>
        )}
        {message.missing !== undefined && envelope === undefined ? (
          <p class="muted">{visible(message.missing)}</p>
        ) : (
          <Json value={body} open={3} />
        )}
        <Facts facts={factsOf(message)} />
        {imported ? null : (
          <div class="row">
            <a class="button small" href={messageLink(message)}>
              Envelope and evidence
            </a>
          </div>
        )}
        {check?.verdict !== undefined && (
          <details class="dialogue-proof">
            <summary>Evidence, link by link</summary>
            <Steps verdict={check.verdict} />
          </details>
        )}
      </div>
    </Panel>
  );
}

function messageLink(message: DialogueMessage): string {
  return `${to.message(message.id)}?from=${encodeURIComponent(message.from)}`;
}

function factsOf(message: DialogueMessage): [string, ComponentChildren][] {
  const code = message.code === undefined ? "" : ` (${message.code})`;
  return [
    ["from", <Did key="from" did={message.from} name={message.from_name ?? ""} />],
    ["to", <Did key="to" did={message.to} name={message.to_name ?? ""} />],
    ["time", <Time key="time" ms={message.time_ms} millis />],
    [
      "state",
      <Status key="state" state={`${message.state}${code}`} tone={stateTone(message.state)} />,
    ],
    ...(message.why === undefined
      ? []
      : [["why", visible(message.why)] as [string, ComponentChildren]]),
    ["size", <Bytes key="size" value={message.size} />],
    ["id", <Id key="id" id={message.id} />],
  ];
}

interface StepProps {
  label: string;
  by: number;
  off: boolean;
  onStep(by: number): void;
}

function Step({ label, by, off, onStep }: StepProps) {
  return (
    <button
      class="button small"
      type="button"
      title={label}
      aria-label={label}
      disabled={off}
      onClick={() => onStep(by)}
    >
      {by < 0 ? "↑" : "↓"}
    </button>
  );
}

// What may come next ------------------------------------------------------------------------------

interface NextProps {
  moves: Move[];
  /** When the last message was said. */
  since_ms: number;
  /** The deadline, as the host keeps it. */
  until_ms: number | undefined;
  /** A dialogue in a file stands still. */
  still: boolean;
}

/** By the definition of its protocol; either side may refuse at any time. */
export function NextMoves({ moves, since_ms, until_ms, still }: NextProps) {
  if (moves.length === 0) return null;
  const sides = [...new Set(moves.map(({ role }) => role))];
  return (
    <div class="dialogue-next">
      <span class="muted">May come next:</span>
      {sides.map((role) => {
        const own = moves.filter((move) => move.role === role);
        return (
          <span class="row" key={role}>
            <span>{visible(role)}</span>
            {own.map((move) => (
              <Performative key={move.performative} name={move.performative} />
            ))}
            <Within
              ms={own.find(({ withinMs }) => withinMs !== undefined)?.withinMs}
              until_ms={until_ms}
              since_ms={since_ms}
              still={still}
            />
          </span>
        );
      })}
    </div>
  );
}

function Within({
  ms,
  until_ms,
  since_ms,
  still,
}: Omit<NextProps, "moves"> & { ms: number | undefined }) {
  if (ms === undefined) return null;
  if (still) return <span class="muted">within {formatDuration(ms)}</span>;
  const left = (until_ms ?? since_ms + ms) - now.value;
  return (
    <span class={left > 0 ? "muted" : "bad"}>
      within {formatDuration(ms)}, {left > 0 ? `${formatDuration(left)} left` : "which have passed"}
    </span>
  );
}
