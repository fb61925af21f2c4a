// A dialogue as it is told, by a host or by a file: what it is, why it failed, the diagram, the selected message.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Definition, Dialogue, DialogueMessage, TraceEvent } from "../feed/types";
import { isDefinition, nextMoves, violation } from "../proof/definition";
import type { Side } from "../proof/definition";
import { to } from "../route";
import { isTyping } from "../shell/typing";
import {
  AgentLink,
  Badge,
  Did,
  Duration,
  Empty,
  Money,
  now,
  Panel,
  Status,
  Time,
  ViewHead,
  visible,
} from "../ui";
import type { Check } from "./check";
import { messageKey, useChecks } from "./checks";
import { MessagePanel, NextMoves } from "./detail";
import { Diagram } from "./diagram";
import { layOut } from "./layout";
import { childEvent, failure, partiesOf, saidBy, spanOf, type Party } from "./words";
import "./dialogue.css";

export interface ToldDialogue {
  dialogue: Dialogue;
  definition?: Definition;
  messages: DialogueMessage[];
  events: TraceEvent[];
  more?: number;
  /** Dialogues that grew out of it. */
  children?: Dialogue[];
}

interface ShownProps {
  told: ToldDialogue;
  imported: boolean;
  stale?: boolean;
  actions: ComponentChildren;
  /** Between the head and the diagram: where it comes from. */
  notes?: ComponentChildren;
  /** A message that is looked at, whose evidence is not there yet. */
  onLook?(message: DialogueMessage): void;
}

export function DialogueShown(props: ShownProps) {
  const { told, imported, actions, notes, onLook } = props;
  const { dialogue, definition, messages, events } = told;
  const verified = useChecks(dialogue.thid, messages);
  const checks = useMemo(
    () => (imported ? withMissing(verified, messages) : verified),
    [imported, verified, messages],
  );
  const parties = useMemo(() => partiesOf(dialogue, messages), [dialogue, messages]);
  const layout = useMemo(
    () =>
      layOut({
        thid: dialogue.thid,
        ours: parties.ours,
        messages,
        events,
        children: told.children?.map(childEvent) ?? [],
        laneOf: (event) => laneOf(event, dialogue, parties.ours),
      }),
    [dialogue, messages, events, told.children],
  );
  const [selected, select] = useSelected(messages.length);
  const message = selected === null ? undefined : messages[selected];
  useEffect(() => {
    if (message !== undefined && message.evidence === undefined) onLook?.(message);
  }, [message?.id, message?.evidence]);
  const moves = useMemo(() => {
    const last = saidBy(messages, parties.ours).at(-1);
    const open = dialogue.state === "open" && last !== undefined;
    return open ? nextMoves(definition, last) : [];
  }, [dialogue, definition, messages]);
  const check = message === undefined ? undefined : checkOf(message, checks);
  const heads = (side: Side) => ({
    party: parties[side],
    role: roleOf(definition, side),
    imported,
  });
  return (
    <div class={`stack dialogue ${props.stale === true ? "dialogue-stale" : ""}`}>
      <Head dialogue={dialogue} imported={imported} actions={actions} />
      {notes}
      <Why dialogue={dialogue} events={events} />
      <Truth messages={messages} checks={checks} />
      {(told.more ?? 0) > 0 && (
        <p class="muted">{told.more} older messages are left out: these are the latest.</p>
      )}
      <div class="dialogue-columns">
        <Panel flush class="dialogue-diagram">
          {messages.length === 0 && events.length === 0 ? (
            <Empty title="Nothing of it is remembered any more">
              A host keeps what its agents did lately in memory.
            </Empty>
          ) : (
            <Diagram
              layout={layout}
              heads={{
                opener: <LaneHead {...heads("opener")} />,
                other: <LaneHead {...heads("other")} />,
              }}
              agent={dialogue.agent}
              checks={checks}
              selected={selected}
              onSelect={select}
            >
              <NextMoves
                moves={moves}
                since_ms={messages.at(-1)?.time_ms ?? 0}
                until_ms={dialogue.waits?.until_ms}
                still={imported}
              />
            </Diagram>
          )}
        </Panel>
        <div class="dialogue-side stack">
          <MessagePanel
            message={message}
            index={selected ?? 0}
            count={messages.length}
            check={check}
            imported={imported}
            onStep={(by) => select((selected ?? -1) + by)}
            onClose={() => select(null)}
          />
          <Protocol told={told} ours={parties.ours} opening={checks.get(keyOf(messages[0]))} />
        </div>
      </div>
    </div>
  );
}

function keyOf(message: DialogueMessage | undefined): string {
  return message === undefined ? "" : messageKey(message);
}

/** In a file, what has no evidence with it will have none. */
function withMissing(
  verified: ReadonlyMap<string, Check>,
  messages: readonly DialogueMessage[],
): ReadonlyMap<string, Check> {
  const checks = new Map(verified);
  for (const message of messages) {
    if (message.evidence !== undefined) continue;
    const why = message.unproved ?? "there is no evidence in the file";
    checks.set(messageKey(message), { state: "missing", why });
  }
  return checks;
}

/** null while it is being verified. */
function checkOf(
  message: DialogueMessage,
  checks: ReadonlyMap<string, Check>,
): Check | null | undefined {
  const found = checks.get(messageKey(message));
  if (found !== undefined) return found;
  if (message.evidence !== undefined) return null;
  return message.unproved === undefined ? undefined : { state: "missing", why: message.unproved };
}

/** Events are of agents of the host; one that does not say of which is of the one that tells. */
function laneOf(event: TraceEvent, dialogue: Dialogue, ours: Side): Side {
  const other = ours === "opener" ? "other" : "opener";
  return event.agent !== undefined && event.agent !== dialogue.agent ? other : ours;
}

/** Where there is no room beside the diagram, the message covers a part of it. */
const SHEET = "(max-width: 1099px)";

/** Steps with j and k; whoever looks at the last message goes on looking at the last. */
function useSelected(count: number): [number | null, (index: number | null) => void] {
  const [selected, setSelected] = useState<number | null>(() =>
    count > 0 && !matchMedia(SHEET).matches ? count - 1 : null,
  );
  const [known, setKnown] = useState(count);
  if (count !== known) {
    setKnown(count);
    if (selected !== null && (selected === known - 1 || selected >= count)) setSelected(count - 1);
  }
  const select = (index: number | null) => {
    if (index === null || (index >= 0 && index < count)) setSelected(index);
  };
  useEffect(() => {
    const step = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]") !== null) return;
      const within = event.target instanceof Element && event.target.closest(".sequence") !== null;
      const by =
        event.key === "j" || (within && event.key === "ArrowDown")
          ? 1
          : event.key === "k" || (within && event.key === "ArrowUp")
            ? -1
            : 0;
      if (by === 0) return;
      event.preventDefault();
      select((selected ?? -1) + by);
    };
    addEventListener("keydown", step);
    return () => removeEventListener("keydown", step);
  }, [selected, count]);
  return [selected, select];
}

// Head --------------------------------------------------------------------------------------------

interface HeadProps {
  dialogue: Dialogue;
  imported: boolean;
  actions: ComponentChildren;
}

function Head({ dialogue, imported, actions }: HeadProps) {
  const span = spanOf(dialogue, imported ? dialogue.last_ms : now.value);
  return (
    <ViewHead
      title={
        <span class="row">
          <span>{visible(dialogue.protocol ?? "Dialogue")}</span>
          <Status state={dialogue.state} tone={dialogue.state === "ended" ? "idle" : undefined} />
        </span>
      }
      note={
        <span class="row">
          <span>
            opened <Time ms={dialogue.opened_ms} />
          </span>
          <span>
            {dialogue.state === "open" ? "for" : "took"} <Duration ms={span} />
          </span>
          <span>
            {dialogue.messages} {dialogue.messages === 1 ? "message" : "messages"}
          </span>
          {dialogue.service !== undefined && <Badge>{visible(dialogue.service)}</Badge>}
          {dialogue.price !== undefined && (
            <span>
              price <Money value={dialogue.price} />
            </span>
          )}
          {dialogue.deal_status !== undefined && <span>{visible(dialogue.deal_status)}</span>}
          {dialogue.deal !== undefined &&
            (imported ? null : (
              <a href={to.deal(dialogue.deal)}>deal {visible(dialogue.deal.slice(0, 8))}</a>
            ))}
          {dialogue.parent !== undefined && !imported && (
            <a href={to.dialogue(dialogue.agent, "-", dialogue.parent)}>
              grew out of {visible(dialogue.parent.slice(0, 8))}
            </a>
          )}
        </span>
      }
      actions={actions}
    />
  );
}

function Why({ dialogue, events }: { dialogue: Dialogue; events: TraceEvent[] }) {
  const why = failure(dialogue, events);
  if (why === undefined) return null;
  const failed = dialogue.state === "failed";
  return (
    <div class={`verdict ${failed ? "verdict-bad" : "verdict-wait"}`} role="status">
      <div>
        <strong>{failed ? "Failed:" : "Note:"}</strong> {visible(why)}
      </div>
    </div>
  );
}

/** Of all messages at once, where their evidence is there. */
function Truth({
  messages,
  checks,
}: {
  messages: DialogueMessage[];
  checks: ReadonlyMap<string, Check>;
}) {
  const found = messages.map((message) => checks.get(messageKey(message)));
  const wrong = found.filter((check) => check?.state === "false").length;
  const proved = found.filter((check) => check?.state === "proved").length;
  const waiting = messages.filter(
    (message, i) => message.evidence !== undefined && found[i] === undefined,
  ).length;
  if (wrong > 0) {
    return (
      <div class="verdict verdict-bad" role="alert" data-truth="false">
        <div>
          <strong>{wrong === 1 ? "One message is false." : `${wrong} messages are false.`}</strong>{" "}
          What is shown of {wrong === 1 ? "it" : "them"} is not what was signed.
        </div>
      </div>
    );
  }
  const unchecked = found.find((check) => check?.state === "unchecked");
  if (unchecked !== undefined) {
    return (
      <div class="verdict verdict-wait" role="status" data-truth="unchecked">
        <div>
          <strong>Not checked.</strong> {unchecked.why} Export the dialogue and import it in a
          browser that can, or ask <code>haggle verify</code> of a message's evidence.
        </div>
      </div>
    );
  }
  const missing = found.filter((check) => check?.state === "missing").length;
  if (missing > 0 && waiting === 0) {
    return (
      <div class="verdict verdict-wait" role="status" data-truth="missing">
        <div>
          <strong>
            Without evidence: {missing} of {messages.length} messages.
          </strong>{" "}
          Nothing proves that {missing === 1 ? "it was" : "they were"} said.
        </div>
      </div>
    );
  }
  if (waiting > 0 && messages.length > 1 && proved + waiting > 1) {
    return (
      <div class="verdict verdict-idle" role="status">
        Verifying: {proved} of {proved + waiting}
      </div>
    );
  }
  if (proved === messages.length && proved > 0) {
    return (
      <div class="verdict verdict-good" role="status" data-truth="proved">
        <div>
          <strong>All {proved === 1 ? "of it is" : `${proved} messages are`} proved,</strong> by
          this browser. It does not prove that there were no others.
        </div>
      </div>
    );
  }
  return null;
}

interface LaneHeadProps {
  party: Party;
  role: string | undefined;
  imported: boolean;
}

function LaneHead({ party, role, imported }: LaneHeadProps) {
  const { did, name, here } = party;
  const host = here ? (imported ? "exporting host" : "this host") : "another host";
  return (
    <>
      {here && !imported && name !== undefined ? (
        <strong class="cut">
          <AgentLink name={name} />
        </strong>
      ) : (
        <strong>
          <Did did={did ?? ""} name={name ?? ""} copy={false} />
        </strong>
      )}
      <span class="muted cut">{role === undefined ? host : `${visible(role)}, ${host}`}</span>
    </>
  );
}

function roleOf(definition: Definition | undefined, side: Side): string | undefined {
  const roles = definition?.["roles"];
  const role = Array.isArray(roles) ? roles[side === "opener" ? 0 : 1] : undefined;
  return typeof role === "string" ? role : undefined;
}

// The protocol ------------------------------------------------------------------------------------

interface ProtocolProps {
  told: ToldDialogue;
  ours: Side;
  opening: Check | undefined;
}

/** Whether the definition is the one that the opening names, and whether the dialogue follows it. */
function Protocol({ told, ours, opening }: ProtocolProps) {
  const { definition, messages, dialogue } = told;
  const [named, setNamed] = useState<boolean | null>(null);
  const first = messages[0];
  // Older messages may be forgotten: only of a dialogue that is there from its opening can it be told.
  const whole = first !== undefined && first.id === dialogue.thid;
  const digest =
    opening?.state === "proved" ? opening.verdict?.parts.envelope?.definition : undefined;
  useEffect(() => {
    if (digest === undefined || definition === undefined || !whole) return;
    isDefinition(definition, digest).then(setNamed, () => setNamed(null));
  }, [digest === undefined, definition, whole]);
  if (definition === undefined) return null;
  const broken = whole ? violation(definition, saidBy(messages, ours)) : undefined;
  if (broken === undefined && named === null) return null;
  return (
    <Panel title="Protocol">
      <div class="stack dialogue-protocol">
        {broken !== undefined && (
          <div class="bad">
            Message {broken.index + 1} breaks the definition: {visible(broken.why)}.
          </div>
        )}
        {named === true && (
          <Status state="the definition is the one that the opening names" tone="good" />
        )}
        {named === false && <Status state="not the definition that the opening names" tone="bad" />}
      </div>
    </Panel>
  );
}
