// A client of the feed: one WebSocket, its hello, calls and subscriptions, and a new one when it is lost. It knows
// neither the page nor the browser: what it needs of them is handed in, so that the tests can stand in for both.
import type {
  ArgsOf,
  CallArgs,
  CallName,
  CallResult,
  EventHead,
  EventOf,
  Hello,
  TopicName,
} from "./types";

export interface FeedError {
  code: string;
  message: string;
}

/** What `call` rejects with. Codes are those of runtime/base/err.h, and "closed" when the connection is gone. */
export class CallError extends Error implements FeedError {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "CallError";
  }
}

export interface Connection {
  state: "connecting" | "live" | "lost" | "denied";
  /** The host's greeting; of a connection that is lost, the last one. */
  hello: Hello | null;
  /** When the connection was lost, by this machine's clock. */
  lost_ms: number | null;
  /** When the next try begins; null while one goes on. */
  retry_ms: number | null;
  /** Why it was denied or lost, in words. */
  why: string | null;
  /** Counts the connections that became live: views key what must not outlive one by it. */
  epoch: number;
  /** The host's clock minus this machine's. */
  skew_ms: number;
  /** It is live as far as its socket knows, but nothing has come for longer than the page's pulse takes. */
  silent: boolean;
}

export const UNCONNECTED: Connection = {
  state: "connecting",
  hello: null,
  lost_ms: null,
  retry_ms: null,
  why: null,
  epoch: 0,
  skew_ms: 0,
  silent: false,
};

/** What is used of a WebSocket. */
export interface Socket {
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((message: { data: unknown }) => void) | null;
  onclose: ((end: { code: number; reason: string }) => void) | null;
}

export interface Surroundings {
  open(): Socket;
  now(): number;
  /** Between 0 and 1. */
  chance(): number;
  later(run: () => void, ms: number): unknown;
  cancel(timer: unknown): void;
  changed(connection: Connection): void;
}

interface Subscription {
  topic: TopicName;
  args: object;
  /** Goes on while the page is hidden. */
  background: boolean;
  onEvent(event: EventHead): void;
  onError(error: FeedError): void;
}

/** A result; of a page of a list `next`, if there are more. */
export interface Answered<Result> {
  result: Result;
  next?: string;
}

interface Pending {
  resolve(answer: Answered<unknown>): void;
  reject(error: CallError): void;
  timer: unknown;
}

export interface SubscribeOptions {
  onError?(error: FeedError): void;
  background?: boolean;
}

const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 15_000;
const CALL_MS = 60_000;
/** A connection on which nothing has come for so long is asked for a sign of life, and given up without. */
export const SILENCE_MS = 7_000;
export const SIGN_MS = 10_000;
export const DIAL_MS = 20_000;

type Incoming = EventHead & {
  id?: unknown;
  ok?: boolean;
  result?: unknown;
  error?: FeedError;
  next?: string;
};

export class FeedClient {
  private socket: Socket | null = null;
  private token: string | null = null;
  private tries = 0;
  private retryTimer: unknown = null;
  private silenceTimer: unknown = null;
  private nextId = 1;
  private nextAs = 1;
  private readonly pending = new Map<number, Pending>();
  private readonly subscriptions = new Map<string, Subscription>();
  private hidden = false;
  private state: Connection = UNCONNECTED;

  constructor(private readonly around: Surroundings) {}

  /** Connects with a token, in place of any earlier one; without one the connection is denied. */
  start(token: string | null): void {
    this.drop();
    this.token = token;
    this.tries = 0;
    if (token === null) this.deny("This page needs a token to show anything.");
    else this.connect();
  }

  /** Tries now what would be tried later. */
  retry(): void {
    if (this.state.state !== "lost" || this.socket !== null) return;
    this.connect();
  }

  subscribe<T extends TopicName>(
    topic: T,
    args: ArgsOf<T>,
    onEvent: (event: EventOf<T>) => void,
    options: SubscribeOptions = {},
  ): () => void {
    // A name of its own for each: an event that is still on its way to an earlier one finds nobody.
    const as = `s${this.nextAs++}`;
    const subscription: Subscription = {
      topic,
      args,
      background: options.background ?? false,
      onEvent: onEvent as (event: EventHead) => void,
      onError: options.onError ?? (() => undefined),
    };
    this.subscriptions.set(as, subscription);
    if (this.wants(subscription)) this.ask(as, subscription);
    return () => {
      if (!this.subscriptions.delete(as) || !this.wants(subscription)) return;
      this.request("unsubscribe", { as }).catch(() => undefined);
    };
  }

  async call<C extends CallName>(
    name: C,
    args: CallArgs<C>,
    within_ms = CALL_MS,
  ): Promise<CallResult<C>> {
    return (await this.page(name, args, within_ms)).result;
  }

  /** Of a list that may be long: with what the call for the page after it takes as `cursor`. */
  page<C extends CallName>(
    name: C,
    args: CallArgs<C>,
    within_ms = CALL_MS,
  ): Promise<Answered<CallResult<C>>> {
    if (this.state.state !== "live") {
      return Promise.reject(new CallError("closed", "There is no connection to the host."));
    }
    return this.answered(name, args, within_ms) as Promise<Answered<CallResult<C>>>;
  }

  /** A page that nobody sees asks for nothing but what is said to go on in the background. */
  hide(hidden: boolean): void {
    if (this.hidden === hidden) return;
    const live = this.state.state === "live";
    this.hidden = hidden;
    for (const [as, subscription] of this.subscriptions) {
      if (!live || subscription.background) continue;
      if (hidden) this.request("unsubscribe", { as }).catch(() => undefined);
      else this.ask(as, subscription);
    }
  }

  // The connection ------------------------------------------------------------------------------

  private connect(): void {
    this.around.cancel(this.retryTimer);
    this.retryTimer = null;
    this.set({ state: this.state.lost_ms === null ? "connecting" : "lost", retry_ms: null });
    let socket: Socket;
    try {
      socket = this.around.open();
    } catch (error) {
      this.lost(error instanceof Error ? error.message : String(error));
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.greet(socket);
    socket.onmessage = (message) => {
      if (this.socket === socket) this.heard(message.data);
    };
    socket.onclose = (end) => {
      if (this.socket === socket) this.lost(end.reason || "The host does not answer.");
    };
    this.listen();
  }

  private greet(socket: Socket): void {
    this.request("hello", { token: this.token }, SIGN_MS).then(
      (result) => {
        if (this.socket === socket) this.greeted(result as Hello);
      },
      (error: CallError) => {
        if (this.socket !== socket) return;
        // Too many viewers pass; a token that the host does not know will not become right.
        if (error.code === "limit" || error.code === "closed" || error.code === "timeout") {
          this.lost(error.message);
        } else {
          this.drop();
          this.deny(error.message);
        }
      },
    );
  }

  private greeted(hello: Hello): void {
    this.tries = 0;
    this.set({
      state: "live",
      hello,
      lost_ms: null,
      retry_ms: null,
      why: null,
      epoch: this.state.epoch + 1,
      skew_ms: hello.now_ms - this.around.now(),
    });
    this.listen();
    for (const [as, subscription] of this.subscriptions) {
      if (this.wants(subscription)) this.ask(as, subscription);
    }
  }

  private lost(why: string): void {
    this.drop();
    const most = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** this.tries++);
    // Viewers of a host that was restarted shall not come back in the same instant.
    const wait = Math.round(most * (0.7 + 0.3 * this.around.chance()));
    this.retryTimer = this.around.later(() => this.connect(), wait);
    this.set({
      state: "lost",
      lost_ms: this.state.lost_ms ?? this.around.now(),
      retry_ms: this.around.now() + wait,
      why,
    });
  }

  private deny(why: string): void {
    this.set({ state: "denied", lost_ms: null, retry_ms: null, why });
  }

  /** Lets go of the socket and of all that waits for an answer over it. */
  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.around.cancel(this.retryTimer);
    this.around.cancel(this.silenceTimer);
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const waiting = [...this.pending.values()];
    this.pending.clear();
    for (const { reject, timer } of waiting) {
      this.around.cancel(timer);
      reject(new CallError("closed", "The connection to the host was lost before it answered."));
    }
  }

  private set(change: Partial<Connection>): void {
    this.state = { ...this.state, silent: false, ...change };
    this.around.changed(this.state);
  }

  /** A line that was cut, or a laptop that slept, closes no socket: silence is what tells. */
  private listen(): void {
    this.around.cancel(this.silenceTimer);
    this.silenceTimer = this.around.later(
      () => {
        if (this.state.state !== "live") {
          this.lost("The host does not answer.");
          return;
        }
        const socket = this.socket;
        this.set({ silent: true });
        this.request("unsubscribe", { as: "nothing" }, SIGN_MS).catch((error: CallError) => {
          if (error.code === "timeout" && this.socket === socket) {
            this.lost("The host has fallen silent.");
          }
        });
      },
      this.state.state === "live" ? SILENCE_MS : DIAL_MS,
    );
  }

  // What is said and heard ----------------------------------------------------------------------

  private wants(subscription: Subscription): boolean {
    return this.state.state === "live" && (!this.hidden || subscription.background);
  }

  private ask(as: string, { topic, args, onError }: Subscription): void {
    this.request("subscribe", { topic, as, ...args }).catch((error: CallError) => {
      if (error.code !== "closed" && this.subscriptions.has(as)) onError(error);
    });
  }

  private async request(name: string, args: object, within_ms?: number): Promise<unknown> {
    return (await this.answered(name, args, within_ms)).result;
  }

  private answered(name: string, args: object, within_ms = CALL_MS): Promise<Answered<unknown>> {
    const socket = this.socket;
    if (socket === null) return Promise.reject(new CallError("closed", "There is no connection."));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.around.later(() => {
        this.pending.delete(id);
        reject(new CallError("timeout", "The host did not answer in time."));
      }, within_ms);
      this.pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ ...args, call: name, id }));
    });
  }

  private heard(data: unknown): void {
    this.listen();
    if (this.state.silent) this.set({});
    let message: Incoming;
    try {
      message = JSON.parse(String(data)) as Incoming;
    } catch {
      this.lost("The host sent something that is not JSON.");
      return;
    }
    if (typeof message.event === "string") this.event(message);
    else this.answer(message);
  }

  private event(event: Incoming): void {
    const skew_ms = event.time_ms - this.around.now();
    // One of the two clocks was set, or the host's line is slow: what is shown as "ago" follows.
    if (Math.abs(skew_ms - this.state.skew_ms) > 2000) this.set({ skew_ms });
    const subscription = this.subscriptions.get(event.as);
    // What a topic cannot tell any more it tells as an error: its agent is gone, say.
    if (event.error !== undefined) subscription?.onError(event.error);
    else subscription?.onEvent(event);
  }

  private answer(message: Incoming): void {
    const id = typeof message.id === "number" ? message.id : -1;
    const waiting = this.pending.get(id);
    if (waiting === undefined) return;
    this.pending.delete(id);
    this.around.cancel(waiting.timer);
    if (message.ok === true) {
      const { result, next } = message;
      waiting.resolve(next === undefined ? { result } : { result, next });
    } else {
      const { code = "internal", message: words = "The host gave no reason." } =
        message.error ?? {};
      waiting.reject(new CallError(code, words));
    }
  }
}
