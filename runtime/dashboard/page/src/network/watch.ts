// What a viewer of the network sees: the network, its recording, where everything is, and the instant that is
// shown — now, or one of the recent past that the viewer went back to.
import { signal } from "@preact/signals";
import { tradesOf } from "../deals/trade";
import type { DealsEvent, EventHead, NetworkEvent } from "../feed/types";
import { Layout } from "./layout";
import { Network, statusNow, type Node, type Said } from "./model";
import { Recording, type Moment, type Traffic } from "./recording";
import { NOTHING_WANTED, sceneAt, type Scene, type Wanted } from "./scene";
import { settle, type Settling } from "./settle";
import {
  dealNews,
  linkNews,
  refusalNews,
  refusalsNews,
  turnNews,
  withNews,
  type News,
} from "./words";

/** Silence of the host for longer than this does not pass as quiet. */
const SILENCE_MS = 4_000;
const TURN_MS = 250;
const PLAY_TURN_MS = 100;
/** Traffic is watched for so long before the first arrangement. */
const ARRANGE_AFTER_MS = 2_000;
const SETTLE_BUDGET_MS = 7;
const REFUSALS_TOLD = 2; // of one event
const DEALS_TOLD = 6;

export interface WatchEvents {
  /** Something about the picture has changed. */
  changed(): void;
  /** Messages set out, over so long. */
  send(moments: readonly Moment[], over_ms: number): void;
  /** Everything has another place, or for the first time one. */
  moved(): void;
}

export class Watch {
  readonly network = new Network();
  readonly recording = new Recording();
  readonly layout = new Layout();

  /** The instant shown, of the host's time; 0: nothing is known yet. */
  readonly at = signal(0);
  readonly range = signal({ start: 0, end: 0 });
  readonly live = signal(true);
  readonly playing = signal(false);
  readonly speed = signal(1);
  readonly news = signal<News[]>([]);
  /** Deals delivered within the last minute: ids, and when. */
  readonly delivered = signal<ReadonlyMap<string, number>>(new Map());
  /** Nodes, or how they stand, have changed. */
  readonly version = signal(0);
  readonly arranging = signal(false);

  private wanted: Wanted = NOTHING_WANTED;
  private traffic: Traffic | undefined;
  private trafficVersion = -1;
  private recorded = 0;
  private heard = 0;
  private heardAt = 0;
  private firstTraffic = 0;
  private arranged = false;
  private settling: Settling | undefined;
  private dealsKnown = false;
  private timer = 0;
  private settleTimer = 0;

  constructor(private readonly events: WatchEvents) {}

  start(): void {
    this.turn();
  }

  stop(): void {
    clearTimeout(this.timer);
    clearTimeout(this.settleTimer);
  }

  // What the host tells ----------------------------------------------------------------------------

  networkEvent(event: NetworkEvent & EventHead): void {
    if (this.heard > 0 && event.time_ms < this.heard - SILENCE_MS) {
      // The host's clock was set back. One order of time is all that a recording can have.
      this.recording.clear();
      this.network.beginAgain();
    }
    const before = this.recording.end;
    const applied = this.network.apply(event);
    for (const moment of applied.recent) {
      if (moment.time > before) this.recording.add(moment.time, moment.said);
    }
    this.recording.add(applied.time, applied.said);
    this.recorded++;
    this.heard = applied.time;
    this.heardAt = performance.now();
    if (this.firstTraffic === 0 && this.recording.hasMessages) {
      this.firstTraffic = performance.now() - (applied.recent.length > 0 ? ARRANGE_AFTER_MS : 0);
    }
    this.tell(
      [
        ...applied.relinked.map((link) => linkNews(link, applied.time)),
        ...applied.turned.flatMap((turn) => turnNews(turn, applied.time) ?? []).slice(0, 8),
        ...refusals(applied.said, applied.time),
      ],
      before > 0,
    );
    if (applied.changed) this.place();
    if (applied.turned.length > 0 || event.whole) this.version.value++;
    if (this.live.peek()) {
      const fresh = this.recording.between(before, this.recording.end);
      this.showAt(this.now());
      // Of what was before the page was opened only the last second is shown on its way.
      this.events.send(fresh.slice(-2), Math.min(1_000, Math.max(200, applied.time - before)));
    }
    this.network.forget(this.recording.start);
    this.range.value = { start: this.recording.start, end: this.now() };
    this.events.changed();
  }

  dealsEvent(event: DealsEvent & EventHead): void {
    const names = new Map<string, string>();
    for (const node of this.network.nodes.values()) names.set(node.did, node.name);
    const trades = tradesOf(event.deals);
    const delivered = new Map(event.whole ? [] : this.delivered.peek());
    for (const { id, status, time_ms } of trades) {
      if (status === "delivered") delivered.set(id, time_ms);
    }
    for (const [id, time] of delivered) if (time < event.time_ms - 60_000) delivered.delete(id);
    this.delivered.value = delivered;
    const told = trades.slice(0, DEALS_TOLD);
    this.tell(
      told.map((trade) => dealNews(trade, (did) => names.get(did) ?? "")),
      true,
    );
    this.dealsKnown = true;
  }

  /** Whether deals of all times are known: then none in the last minute is a statement. */
  get knowsDeals(): boolean {
    return this.dealsKnown;
  }

  // What the viewer does ---------------------------------------------------------------------------

  want(wanted: Wanted): void {
    this.wanted = wanted;
    this.events.changed();
  }

  goLive(): void {
    this.live.value = true;
    this.playing.value = false;
    this.showAt(this.now());
    this.events.changed();
  }

  goTo(time: number): void {
    const { start, end } = this.recording;
    this.live.value = false;
    this.showAt(Math.min(end, Math.max(start, time)));
    this.events.changed();
  }

  play(): void {
    if (this.live.peek() || this.at.peek() >= this.recording.end) this.goTo(this.recording.start);
    this.playing.value = true;
    this.turn();
  }

  pause(): void {
    this.playing.value = false;
    if (this.live.peek()) this.goTo(this.at.peek());
  }

  /** Finds places by who speaks with whom. */
  arrange(): void {
    this.arranged = true;
    this.settling = settle(this.layout.discs.values(), this.trafficNow().ties);
    this.arranging.value = true;
    this.settleOn();
  }

  scene(): Scene | undefined {
    if (this.network.nodes.size === 0) return undefined;
    const at = this.at.peek();
    return sceneAt(this.network, this.layout.discs.values(), this.trafficNow(), at, this.wanted);
  }

  trafficNow(): Traffic {
    const at = this.at.peek();
    const known = this.traffic;
    if (known && known.time === at && this.trafficVersion === this.recorded) return known;
    this.trafficVersion = this.recorded;
    this.traffic = this.recording.traffic(at);
    return this.traffic;
  }

  // Within -----------------------------------------------------------------------------------------

  private tell(fresh: News[], real: boolean): void {
    if (real && fresh.length > 0) this.news.value = withNews(this.news.peek(), fresh);
  }

  private place(): void {
    const present: Node[] = [];
    for (const node of this.network.nodes.values())
      if (statusNow(node) !== null) present.push(node);
    if (this.layout.update(present)) this.events.moved();
  }

  /** The host's time, as long as it speaks. */
  private now(): number {
    return this.heard + Math.min(SILENCE_MS, performance.now() - this.heardAt);
  }

  private showAt(time: number): void {
    this.at.value = time;
  }

  private turn(): void {
    clearTimeout(this.timer);
    const playing = this.playing.peek();
    if (playing) this.playOn();
    else if (this.live.peek() && this.heard > 0 && !document.hidden) {
      this.showAt(this.now());
      this.range.value = { start: this.recording.start, end: this.now() };
    }
    const settled = this.arranged || this.firstTraffic === 0;
    if (!settled && performance.now() - this.firstTraffic >= ARRANGE_AFTER_MS) this.arrange();
    this.timer = window.setTimeout(() => this.turn(), playing ? PLAY_TURN_MS : TURN_MS);
  }

  private playOn(): void {
    const from = this.at.peek();
    const to = Math.min(this.recording.end, from + PLAY_TURN_MS * this.speed.peek());
    this.showAt(to);
    this.events.send(this.recording.between(from, to), PLAY_TURN_MS);
    this.events.changed();
    if (to >= this.recording.end) this.goLive();
  }

  private settleOn(): void {
    clearTimeout(this.settleTimer);
    if (!this.settling) return;
    if (!this.settling.step(SETTLE_BUDGET_MS)) {
      this.settleTimer = window.setTimeout(() => this.settleOn(), 4);
      return;
    }
    this.settling = undefined;
    this.arranging.value = false;
    this.events.changed();
  }
}

/** Each by itself, as long as they can be read. */
function refusals(said: readonly Said[], time: number): News[] {
  const refused = said.filter((one) => one.kind === "refuse");
  if (refused.length > REFUSALS_TOLD) return [refusalsNews(refused, time)];
  return refused.map((one) => refusalNews(one, time));
}
