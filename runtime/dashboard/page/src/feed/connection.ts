// The page's one connection, as views use it:
//
//   const logs = useTopic("logs", { level: "warn" });        a signal: {data, live, stale, error}
//   const answer = await call("agent.state", { name });      rejects with a CallError: {code, message}
//   const stop = subscribe("network", {}, (event) => …);     raw events, for those who fold them themselves
//   connection.value.state === "live"                        how it stands
import { computed, signal, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import {
  FeedClient,
  UNCONNECTED,
  type Answered,
  type Connection,
  type FeedError,
  type Socket,
  type SubscribeOptions,
} from "./client";
import { fold } from "./fold";
import { currentToken, forgetToken, keepToken, takeToken } from "./token";
import type { ArgsOf, CallArgs, CallName, CallResult, EventOf, TopicName } from "./types";

export { CallError, type Connection, type FeedError } from "./client";

/** A page that nobody has seen for so long asks for less. */
const HIDDEN_MS = 20_000;

const state = signal<Connection>(UNCONNECTED);

export const connection: ReadonlySignal<Connection> = state;
export const live = computed(() => state.value.state === "live");
export const isOperator = computed(() => state.value.hello?.role === "operator");

const client = new FeedClient({
  open: () => new WebSocket(feedUrl(), "haggle.feed.v1") as unknown as Socket,
  now: () => Date.now(),
  chance: () => Math.random(),
  later: (run, ms) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  changed: (next) => {
    state.value = next;
  },
});

/** Relative to the page, which may lie below a path of some proxy. */
function feedUrl(): string {
  const url = new URL("api/feed", location.href.replace(/[?#].*$/, ""));
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** Begins; called once, by the shell. */
export function connect(): void {
  takeToken();
  client.start(currentToken());
  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => client.hide(true), HIDDEN_MS);
    else {
      client.hide(false);
      client.retry();
    }
  });
  addEventListener("online", () => client.retry());
  // A link with a token that is opened in a tab that shows this page already only changes the hash.
  addEventListener("hashchange", () => {
    if (takeToken()) client.start(currentToken());
  });
}

export function useNewToken(token: string): void {
  keepToken(token);
  client.start(token);
}

export function signOut(): void {
  forgetToken();
  client.start(null);
}

export function retryNow(): void {
  client.retry();
}

/** The host's time, as well as this machine's clock lets one tell. */
export function hostNow(): number {
  return Date.now() + state.value.skew_ms;
}

export function subscribe<T extends TopicName>(
  topic: T,
  args: ArgsOf<T>,
  onEvent: (event: EventOf<T>) => void,
  options?: SubscribeOptions,
): () => void {
  return client.subscribe(topic, args, onEvent, options);
}

export function call<C extends CallName>(
  name: C,
  args: CallArgs<C>,
  within_ms?: number,
): Promise<CallResult<C>> {
  return client.call(name, args, within_ms);
}

/** One page of a list; `next` of the answer is the `cursor` of the page after it. */
export function callPage<C extends CallName>(
  name: C,
  args: CallArgs<C>,
): Promise<Answered<CallResult<C>>> {
  return client.page(name, args);
}

export interface TopicState<T extends TopicName> {
  /** The latest state; streams and changes are folded into it (fold.ts). null: nothing has come yet. */
  data: EventOf<T> | null;
  /** Events come, and `data` is what the present arguments ask for. */
  live: boolean;
  /** `data` is of an earlier time: the connection is lost, or the arguments have changed since. */
  stale: boolean;
  /** The host refused the subscription. */
  error: FeedError | null;
}

/** A topic as a signal, for as long as the component is there; null as arguments asks for nothing. */
export function useTopic<T extends TopicName>(
  topic: T,
  args: ArgsOf<T> | null,
  options: { background?: boolean } = {},
): ReadonlySignal<TopicState<T>> {
  const found = useSignal<TopicState<T>>({ data: null, live: false, stale: false, error: null });
  const key = JSON.stringify(args);
  useEffect(() => {
    if (args === null) return undefined;
    let began = false;
    const outdated = () => {
      const now = found.peek();
      found.value = { ...now, live: false, stale: now.data !== null };
    };
    outdated();
    const stop = client.subscribe(
      topic,
      args,
      (event) => {
        const before = began ? found.peek().data : null;
        const data = fold(topic, before, event, args);
        if (data === null) return;
        began = true;
        found.value = { data, live: true, stale: false, error: null };
      },
      { ...options, onError: (error) => (found.value = { ...found.peek(), live: false, error }) },
    );
    const unwatch = live.subscribe((is) => {
      if (!is) outdated();
    });
    return () => {
      unwatch();
      stop();
    };
  }, [topic, key]);
  return found;
}
