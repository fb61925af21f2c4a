// The feed, typed: runtime/dashboard/FEED.md and runtime/host/CONTROL.md are what it follows.
// Whatever a host, an agent or a peer wrote is `string` here, and hostile: it is shown as text (ui/text.tsx).

/** A body in the JSON projection of values (protocol/SPEC.md, "Values"): {"$int": …}, {"$bytes": …}. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Role = "viewer" | "operator";
export type Did = string;
export type Millis = number;

export interface Hello {
  role: Role;
  host: Did;
  version: string;
  /** Version of the feed. */
  feed: number;
  now_ms: Millis;
  started_ms: Millis;
}

// Overview --------------------------------------------------------------------------------------

/** What happened within one second, and how things stood at its end. */
export interface Sample {
  time_ms: Millis;
  received: number;
  sent: number;
  handled: number;
  refused: number;
  raised: number;
  dead: number;
  deals: number;
  commits: number;
  signatures: number;
  verifications: number;
  /** Mean sizes within the second. */
  commit_messages: number;
  signature_messages: number;
  commit_p50_ms: number;
  commit_p99_ms: number;
  /** From a message's arrival to the durable end of its first stretch. */
  latency_p50_ms: number;
  latency_p99_ms: number;
  tick_p50_ms: number;
  tick_p99_ms: number;
  mailbox: number;
  mailbox_age_ms: number;
  runs: number;
  agents: number;
  awake: number;
  asleep: number;
  /** These are not among `agents`. */
  stopped: number;
  peers: number;
  unacknowledged: number;
  lua_bytes: number;
  rss_bytes: number;
  store_bytes: number;
  disk_free: number;
  /** Share of one core. */
  cpu: number;
  restarts: number;
}

export interface Alarm {
  what: string;
  level: "warn" | "error";
  text: string;
  since_ms: Millis;
  agent?: string;
  peer?: Did;
  model?: string;
}

/** The counts of the call `describe`. */
export interface Totals {
  did: Did;
  urls: string[];
  held: string | null;
  agents: number;
  awake: number;
  peers: number;
  lua_bytes: number;
  disk_free: number;
  disk_reserve: number;
  [count: string]: Json;
}

export interface OverviewEvent {
  samples: Sample[];
  alarms: Alarm[];
  totals: Totals;
}

// Network ---------------------------------------------------------------------------------------

export interface NetworkNode {
  /** Stable within a channel. */
  id: number;
  kind: "host" | "agent";
  name: string;
  did: Did;
  /** The id of its host's node; of a host, its own. */
  host: number;
  status: string;
  /** It is of the host that serves this page. */
  here: boolean;
  handled: number;
  mailbox: number;
  /** How often handlers of its raised within the latest minute; absent: never. */
  raised_lately?: number;
  about?: string;
  services?: string[];
}

/** From, to, messages of this performative since the last event; a pair may be there with several. */
export type NetworkEdge = [from: number, to: number, messages: number, performative: string];

export interface NetworkLink {
  a: number;
  b: number;
  up: boolean;
  skew_ms: number;
  unacknowledged: number;
}

export interface NetworkEvent {
  nodes: NetworkNode[];
  gone?: number[];
  edges: NetworkEdge[];
  links: NetworkLink[];
  /** Agents left out, beyond `limit`. */
  more: number;
  recent?: { time_ms: Millis; edges: NetworkEdge[] }[];
}

// Agents ----------------------------------------------------------------------------------------

/** The filter of the topic `agents` also knows "failing" and "asleep". */
export type AgentStatus = "running" | "held" | "starting" | "paused" | "parked" | "stopped";

export interface Agent {
  name: string;
  did: Did;
  status: AgentStatus;
  reason?: string;
  starts_in_ms?: number;
  restarts: number;
  group?: string;
  script?: string;
  /** Absent when it is stopped, as all below. */
  version?: string | number | null;
  about?: string;
  protocols?: string[];
  routes?: string[];
  mailbox?: number;
  handled?: number;
  sent?: number;
  raised?: number;
  /** Of these within the latest minute. */
  raised_lately?: number;
  /** Suspended handlers. */
  runs?: number;
  timers?: number;
  memory_bytes?: number;
  cpu_ms?: number;
  asleep?: boolean;
  log_left_out?: number;
  last_ms?: Millis | null;
  last_error?: string | null;
  last_raise?: string | null;
}

/** The topic `agent` says more of one. */
export interface AgentDetail extends Agent {
  limits?: { [limit: string]: Json };
  grants?: Json;
  host?: Did;
}

export type AgentSort =
  | "name"
  | "status"
  | "mailbox"
  | "memory"
  | "cpu"
  | "handled"
  | "sent"
  | "raised"
  | "restarts"
  | "last";

export interface AgentsEvent {
  agents: Agent[];
  matched: number;
  total: number;
}

// Messages --------------------------------------------------------------------------------------

/** An envelope's JSON projection, with DIDComm's names. */
export interface Envelope {
  id: string;
  type: string;
  from: Did;
  to: Did;
  thid?: string;
  pthid?: string;
  created_time: Millis;
  expires_time?: Millis;
  body?: Json;
}

export interface StreamedMessage extends Envelope {
  /** What became of it: sent, handled, … */
  what: string;
  time_ms: Millis;
  from_name?: string;
  to_name?: string;
}

export interface MessagesEvent {
  messages: StreamedMessage[];
  skipped?: number;
  /** Of a whole event, for a viewer that had fallen behind: what passed meanwhile and is not in it. */
  missed?: number;
}

/** The call `message`. */
export interface MessageDetail {
  envelope: Envelope;
  /** base64url of the envelope's CBOR. */
  raw: string;
  size: number;
  direction: "said" | "heard";
  from_name?: string;
  to_name?: string;
  /** base64url of the evidence's CBOR; null with `unproved`: why there is none. */
  evidence: string | null;
  unproved?: string;
  /** That signed it, and that it is for. */
  host?: Did;
  destination?: Did;
  header?: { incarnation: string; sequence: number; time_ms: Millis };
  /** In its group; `number` is its own between the two hosts, `group` that among the header's. */
  path?: { index: number; count: number; number: number; group: number; groups: number };
  acknowledged: boolean | null;
  /** A code, and in words. */
  refused?: string;
  why?: string;
}

// Logs ------------------------------------------------------------------------------------------

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogLine {
  order: number;
  time_ms: Millis;
  level: LogLevel;
  module: string;
  agent?: string;
  text: string;
  fields?: Json;
}

export interface LogsEvent {
  lines: LogLine[];
  skipped?: number;
  missed?: number;
}

// Deals -----------------------------------------------------------------------------------------

export interface Deal {
  id: string;
  service: string;
  price: number;
  rounds?: number;
  role: "seller" | "buyer";
  counterparty: Did;
  /** A name, or as it was recorded. */
  with: string;
  /** Of another host's agent: what its advert claims. */
  with_alias?: string;
  status: string;
  messages: Json[];
  agent: string;
  time_ms: Millis;
  [field: string]: unknown;
}

export interface DealsEvent {
  deals: Deal[];
}

// Models ----------------------------------------------------------------------------------------

export interface Percentiles {
  p50_ms: number;
  p99_ms: number;
}

export interface Model {
  name: string;
  file: string;
  engine: string;
  about: Json;
  kind: "tensors" | "language";
  device: string;
  /** Why not where one would expect it. */
  note: string | null;
  batched?: boolean;
  inputs?: TensorShape[];
  outputs?: TensorShape[];
  tasks?: string[];
  /** Tokens. */
  context?: number;
  calls: number;
  done: number;
  invalid: number;
  timeouts: number;
  cancelled: number;
  failed: number;
  refused: number;
  garbage: number;
  queue: { waiting: number; running: number; runs_for_ms: number };
  batches: {
    count: number;
    mean: number;
    most: number;
    joined: number;
    /** Of a quick model, on the host's loop instead of a thread. */
    on_loop: number;
    /** From the most calls, a power of two, to batches. */
    sizes: { [most: string]: number };
  };
  wait: Percentiles;
  run: Percentiles;
  told: Percentiles;
  first_token?: Percentiles;
  host_memory?: number | null;
  device_memory?: number | null;
  busy_s?: number;
  rows?: number;
  tokens_in?: number;
  tokens_reused?: number;
  tokens_out?: number;
  cost?: number;
  agents: { agent: string; calls: number; open: number }[];
}

export interface TensorShape {
  name: string;
  type: string;
  /** null: any length. */
  shape: (number | null)[];
}

export interface ModelsEvent {
  models: Model[];
}

// Peers -----------------------------------------------------------------------------------------

export interface Peer {
  did: Did;
  linked: boolean;
  url?: string | null;
  skew_ms?: number;
  unacknowledged?: number;
  forked?: boolean;
  [field: string]: unknown;
}

export interface PeersEvent {
  peers: Peer[];
}

// Dialogues -------------------------------------------------------------------------------------

export interface Dialogue {
  /** Whose side it is told from: an agent of the host. */
  agent: string;
  agent_did?: Did;
  peer: Did;
  /** Of an agent of this host. */
  peer_name?: string;
  /** Of another host's: what its advert claims. */
  peer_alias?: string;
  thid: string;
  /** The thread that it serves. */
  parent?: string;
  /** As long as one message of it, or its definition, is known. */
  protocol?: string;
  opened_ms: Millis;
  last_ms: Millis;
  messages: number;
  /** The last performative. */
  last?: string;
  /** Its first message is in the host's memory. */
  whole?: boolean;
  state: "open" | "ended" | "failed";
  /** Of an open one: what either side may say next. */
  waits?: { agent: string[]; peer: string[]; until_ms?: Millis };
  /** In a word: refused, dead_letter, raised, violation, … */
  cause?: string;
  why?: string;
  price?: number;
  service?: string;
  deal?: string;
  deal_status?: string;
}

export interface DialoguesEvent {
  dialogues: Dialogue[];
  /** As far as memory goes back. */
  oldest_ms: Millis | null;
}

export interface DialogueMessage {
  id: string;
  time_ms: Millis;
  direction: "said" | "heard";
  from: Did;
  to: Did;
  from_name?: string;
  to_name?: string;
  type: string;
  performative: string;
  /** null when it is not there any more; `missing` says why. */
  body: Json;
  missing?: string;
  size: number;
  /** said, acknowledged, held, undelivered; of what came: heard, handled, waits, raised, dead, parked, refused. */
  state: string;
  code?: string;
  why?: string;
  /** base64url; only in the call, when asked for. */
  evidence?: string;
  /** Why there is none, likewise. */
  unproved?: string;
}

/** What an agent did: the call `trace`. Of a dialogue also handlers that are not done with it. */
export interface TraceEvent {
  /** Counts the host's events; what is not done yet has none. */
  order?: number;
  /** Whose it is, where not asked of one agent. */
  agent?: string;
  time_ms: Millis;
  /** heard, said, timer, stretch, dead, undelivered, refused, held, timeout, expired, parked; suspended, retry, turn. */
  what: string;
  name: string;
  thread?: string;
  message?: string;
  peer?: Did;
  peer_name?: string;
  parent?: string;
  due_ms?: Millis;
  code?: string;
  why?: string;
  number?: number;
  attempt?: number;
  took_us?: number;
  said?: number;
  timers?: number;
  end?: "done" | "waits" | "raised";
  for?: string;
  waits?: Json;
  /** The row of a dead letter, of a suspended handler. */
  dead?: number;
  row?: number;
}

export interface DialogueEvent {
  dialogue: Dialogue;
  messages: DialogueMessage[];
  events: TraceEvent[];
  definition?: Definition;
  /** Older messages that are left out. */
  more?: number;
}

/** A declared protocol in canonical form (SPEC.md 9.1). */
export interface Definition {
  name: string;
  version: string;
  [part: string]: Json;
}

// Topics and calls ------------------------------------------------------------------------------

/** What every event carries besides its own fields. */
export interface EventHead {
  event: string;
  as: string;
  time_ms: Millis;
  /** It stands for itself and replaces what the viewer had; else it says what changed. */
  whole?: boolean;
}

interface Topic<Args, Event> {
  args: Args & { every_ms?: number };
  event: Event & EventHead;
}

export interface Topics {
  overview: Topic<{ history?: number }, OverviewEvent>;
  network: Topic<{ limit?: number }, NetworkEvent>;
  agents: Topic<
    {
      filter?: string;
      status?: string;
      group?: string;
      sort?: AgentSort;
      descending?: boolean;
      offset?: number;
      limit?: number;
    },
    AgentsEvent
  >;
  agent: Topic<{ name: string }, { agent: AgentDetail }>;
  messages: Topic<{ agent?: string; peer?: Did; type?: string; thread?: string }, MessagesEvent>;
  logs: Topic<{ agent?: string; level?: LogLevel; text?: string }, LogsEvent>;
  deals: Topic<{ agent?: string; service?: string }, DealsEvent>;
  models: Topic<Record<never, never>, ModelsEvent>;
  peers: Topic<Record<never, never>, PeersEvent>;
  dialogues: Topic<
    {
      agent?: string;
      peer?: string;
      protocol?: string;
      state?: Dialogue["state"];
      text?: string;
      limit?: number;
    },
    DialoguesEvent
  >;
  dialogue: Topic<{ agent: string; peer?: Did; thid: string }, DialogueEvent>;
}

export type TopicName = keyof Topics;
export type ArgsOf<T extends TopicName> = Topics[T]["args"];
export type EventOf<T extends TopicName> = Topics[T]["event"];

export interface Offer {
  agent: Did;
  host: Did;
  name?: string;
  service: string;
  protocol: string;
  price?: number;
  expires_ms?: Millis;
  version?: number;
  [field: string]: unknown;
}

/** A condition that an offer does not meet. */
export interface Miss {
  condition: string;
  /** What the field is; null when there is none (`absent`), and of conditions over several. */
  found: Json;
  absent: boolean;
  /** All fields that the condition asks for. */
  fields: { [field: string]: Json };
  /** How far away it is. */
  km?: number;
}

export interface FindExplained {
  hits: Offer[];
  /** There are more hits than were asked for. */
  more: boolean;
  near: { offer: Offer; failed: Miss[] }[];
  considered: number;
}

export interface Advert {
  agent: Did;
  offers: { [field: string]: Json }[];
  version: number;
  /** The earlier of the ends of its host's lease and of its delegation. */
  expires_ms: Millis;
  lease_ms: Millis;
  delegation_ms: Millis;
  host: Did;
  evidence: string;
}

export interface StateAnswer {
  value: Json;
  left_out: number;
}

/** The script and the modules beside it, as the host runs them, whatever the files are by now. */
export interface SourceAnswer {
  /** SHA-256 of each one's text. */
  files: { path: string; size: number; digest: string }[];
  /** Of all that the agent was made of. */
  digest: string;
  /** false of one that is stopped: what it would begin with. */
  runs: boolean;
  file: string;
  source: string;
  /** Bytes behind what is shown. */
  left_out?: number;
}

export interface Timer {
  name: string;
  key: string;
  due_ms: Millis;
  /** 0: not by an interval. */
  every_ms: number;
  cron?: string;
  zone?: string;
  value?: Json;
  /** Of its value: bytes. */
  left_out?: number;
}

export interface TimersAnswer {
  timers: Timer[];
  schedules: Timer[];
  /** How many more there are. */
  left_out: number;
}

/** A handler that waits for something, or cannot go on. */
export interface SuspendedRun {
  row: number;
  agent: string;
  kind: string;
  /** Type of its message, or a name. */
  handler: string;
  status: "waiting" | "retrying" | "parked";
  waits: {
    for: string;
    /** Absent: it waited before the host started. */
    since_ms?: Millis;
    until_ms?: Millis;
    key?: string;
    service?: string;
    asks?: { of: Did; answered: boolean; until_ms: Millis }[];
  };
  /** It goes on under the script that it began with. */
  old_script: boolean;
  why: string | null;
  raise: string | null;
  message?: string;
  from?: Did;
  thread?: string;
}

export interface DeadLetter {
  row: number;
  agent: string;
  kind: string;
  /** Of a timer: its name. */
  timer?: string;
  code: string;
  why: string;
  time_ms: Millis;
  attempts: number;
  message: Envelope | null;
}

export interface ReloadAnswer {
  reloaded: number;
  unchanged: number;
  failed: number;
  agents: {
    name: string;
    changed?: boolean;
    code?: string;
    why?: string;
    [field: string]: unknown;
  }[];
  left_out: number;
}

interface Page {
  limit?: number;
  cursor?: string;
}

/** A call's arguments and result. Those of CONTROL.md that no view makes are not listed. */
export interface Calls {
  describe: { args: Record<never, never>; result: Totals };
  agents: { args: Page; result: Agent[] };
  peers: { args: Page; result: Peer[] };
  find: { args: { query: string } & Page; result: Offer[] };
  "find.explain": { args: { query: string; limit?: number }; result: FindExplained };
  advert: { args: { agent: string }; result: Advert };
  "agent.protocols": {
    args: { name: string };
    result: { protocols: Definition[]; handlers: string[] };
  };
  "agent.timers": { args: { name: string }; result: TimersAnswer };
  "agent.source": { args: { name: string; file?: string }; result: SourceAnswer };
  "agent.state": {
    args: { name: string; path?: string; depth?: number; limit?: number };
    result: StateAnswer;
  };
  "agent.pause": { args: { name: string }; result: Agent };
  "agent.resume": { args: { name: string }; result: Agent };
  "agent.stop": { args: { name: string }; result: Agent };
  "agent.restart": { args: { name: string }; result: Agent };
  "agent.reload": { args: { name: string }; result: ReloadAnswer };
  trace: { args: { agent: string; after?: number; limit?: number }; result: TraceEvent[] };
  deals: { args: Page; result: Deal[] };
  export: { args: { of: string }; result: { evidence: string | string[] } };
  message: { args: { of: string; from?: string }; result: MessageDetail };
  dialogue: {
    args: { agent: string; peer?: Did; thid: string; evidence?: boolean };
    result: DialogueEvent;
  };
  models: { args: { name?: string }; result: Model[] };
  "dead.list": { args: { agent?: string; newest?: boolean } & Page; result: DeadLetter[] };
  "dead.resend": { args: { row: number }; result: null };
  "dead.drop": { args: { row: number }; result: null };
  "runs.list": { args: { agent?: string } & Page; result: SuspendedRun[] };
  "runs.retry": { args: { row: number }; result: null };
  "runs.finish": { args: { row: number }; result: null };
  "runs.drop": { args: { row: number }; result: null };
  send: { args: { to: string; type: string; body?: Json }; result: { message: string } };
  ask: {
    args: { to: string; type: string; body?: Json; within_ms?: number };
    result: Envelope;
  };
}

export type CallName = keyof Calls;
export type CallArgs<C extends CallName> = Calls[C]["args"];
export type CallResult<C extends CallName> = Calls[C]["result"];

/** What an operator may call and a viewer may not. */
export const OPERATOR_CALLS: readonly CallName[] = [
  "agent.pause",
  "agent.resume",
  "agent.stop",
  "agent.restart",
  "agent.reload",
  "dead.resend",
  "dead.drop",
  "runs.retry",
  "runs.finish",
  "runs.drop",
  "send",
  "ask",
];
