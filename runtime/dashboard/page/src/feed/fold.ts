// What a view sees of a topic: its latest whole event with all changes since, within bounds.
import type {
  Deal,
  DealsEvent,
  EventHead,
  EventOf,
  LogLine,
  LogsEvent,
  MessagesEvent,
  StreamedMessage,
  TopicName,
} from "./types";

export const LOG_LINES = 10_000;
export const MESSAGES = 1_000;
const MESSAGES_REPEATED = 100;
export const DEALS = 2_000;

type Fold<E> = (before: E | null, event: E, args: Record<string, unknown>) => E | null;
type Folds = { [T in TopicName]?: Fold<EventOf<T>> };

const folds: Folds = {
  overview(before, event, args) {
    if (event.whole || before === null) return event.whole ? event : null;
    const seconds = typeof args.history === "number" ? args.history : 300;
    const last = before.samples.at(-1)?.time_ms ?? 0;
    const fresh = event.samples.filter((sample) => sample.time_ms > last);
    return { ...event, samples: [...before.samples, ...fresh].slice(-seconds) };
  },

  messages(before, event) {
    if (event.whole && before === null) return event;
    // A whole event repeats the latest, of which some were told before.
    const known = new Set(
      event.whole ? before?.messages.slice(-MESSAGES_REPEATED).map(passing) : [],
    );
    const fresh = event.messages.filter((message) => !known.has(passing(message)));
    const messages: StreamedMessage[] = [...(before?.messages ?? []), ...fresh];
    return {
      ...event,
      messages: messages.slice(-MESSAGES),
      skipped: (before?.skipped ?? 0) + skippedBy(event),
    };
  },

  // A whole event is the host's latest lines, of which some are here already, and what is here reaches further
  // back. Orders grow within one life of a host: they begin anew when it does.
  logs(before, event) {
    if (before === null) return event.whole ? event : null;
    const kept = before.lines.at(-1)?.order ?? -1;
    const newest = event.lines.at(-1)?.order ?? kept;
    const fresh: LogLine[] =
      newest < kept ? event.lines : event.lines.filter((line) => line.order > kept);
    return {
      ...event,
      lines: [...before.lines, ...fresh].slice(-LOG_LINES),
      skipped: (before.skipped ?? 0) + skippedBy(event),
    };
  },

  deals(before, event) {
    if (event.whole || before === null) return event.whole ? event : null;
    return { ...event, deals: mergeDeals(before, event) };
  },
};

/** A whole event says what it leaves out of all that there is; of that some was seen before. */
function skippedBy(event: MessagesEvent | LogsEvent): number {
  return event.missed ?? event.skipped ?? 0;
}

/** A message passes more than once: it is sent, received, handled. */
function passing(message: StreamedMessage): string {
  return `${message.id} ${message.what} ${message.time_ms}`;
}

function mergeDeals(before: DealsEvent, event: DealsEvent): Deal[] {
  // Both sides of a deal keep a record of it under the same id.
  const key = (deal: Deal) => `${deal.id} ${deal.agent}`;
  const changed = new Set(event.deals.map(key));
  return [...event.deals, ...before.deals.filter((deal) => !changed.has(key(deal)))]
    .sort((a, b) => b.time_ms - a.time_ms)
    .slice(0, DEALS);
}

export function fold<T extends TopicName>(
  topic: T,
  before: EventOf<T> | null,
  event: EventOf<T>,
  args: object,
): EventOf<T> | null {
  const found = folds[topic] as Fold<EventOf<T> & EventHead> | undefined;
  return found === undefined ? event : found(before, event, args as Record<string, unknown>);
}
