import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CallError,
  DIAL_MS,
  FeedClient,
  SIGN_MS,
  SILENCE_MS,
  type Connection,
  type Socket,
} from "../src/feed/client";
import type { Hello } from "../src/feed/types";

/** A host's end of the feed, on a clock of its own. */
class World {
  now = 1_000_000;
  states: Connection[] = [];
  sockets: FakeSocket[] = [];
  private timers = new Set<{ at: number; run: () => void }>();

  readonly client = new FeedClient({
    open: () => {
      const socket = new FakeSocket();
      this.sockets.push(socket);
      return socket;
    },
    now: () => this.now,
    chance: () => 1,
    later: (run, ms) => {
      const timer = { at: this.now + ms, run };
      this.timers.add(timer);
      return timer;
    },
    cancel: (timer) => this.timers.delete(timer as { at: number; run: () => void }),
    changed: (state) => this.states.push(state),
  });

  get state(): Connection {
    const state = this.states.at(-1);
    assert.ok(state !== undefined);
    return state;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    assert.ok(socket !== undefined);
    return socket;
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.timers]
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.now = Math.max(this.now, due.at);
      this.timers.delete(due);
      due.run();
      await settled();
    }
    this.now = end;
    await settled();
  }

  /** Opens the socket and answers the hello. */
  async greet(change: Partial<Hello> = {}): Promise<void> {
    this.socket.onopen?.();
    const hello: Hello = {
      role: "viewer",
      host: "did:key:zHost",
      version: "0.1.0",
      feed: 1,
      now_ms: this.now,
      started_ms: this.now,
      ...change,
    };
    this.socket.answer("hello", { ok: true, result: hello });
    await settled();
  }
}

class FakeSocket implements Socket {
  sent: Record<string, unknown>[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((end: { code: number; reason: string }) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  last(call: string): Record<string, unknown> {
    const found = this.sent.filter((one) => one.call === call).at(-1);
    assert.ok(found !== undefined, `no ${call} was sent`);
    return found;
  }

  answer(call: string, answer: object): void {
    this.says({ ...answer, id: this.last(call).id });
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

async function liveWorld(): Promise<World> {
  const world = new World();
  world.client.start("secret");
  await world.greet();
  assert.equal(world.state.state, "live");
  return world;
}

test("without a token nothing is dialled", () => {
  const world = new World();
  world.client.start(null);
  assert.equal(world.state.state, "denied");
  assert.equal(world.sockets.length, 0);
});

test("the token is in the hello and nothing is asked before its answer", async () => {
  const world = new World();
  world.client.start("secret");
  world.client.subscribe("models", {}, () => undefined);
  world.socket.onopen?.();
  assert.deepEqual(
    world.socket.sent.map((one) => one.call),
    ["hello"],
  );
  assert.equal(world.socket.last("hello").token, "secret");
  await world.greet({ role: "operator" });
  assert.equal(world.state.hello?.role, "operator");
  assert.equal(world.socket.last("subscribe").topic, "models");
});

test("a token that the host does not know ends the tries", async () => {
  const world = new World();
  world.client.start("wrong");
  world.socket.onopen?.();
  world.socket.answer("hello", { ok: false, error: { code: "denied", message: "no such token" } });
  await settled();
  assert.equal(world.state.state, "denied");
  assert.equal(world.state.why, "no such token");
  await world.pass(120_000);
  assert.equal(world.sockets.length, 1);
});

test("too many viewers pass, so it is tried again", async () => {
  const world = new World();
  world.client.start("secret");
  world.socket.onopen?.();
  world.socket.answer("hello", { ok: false, error: { code: "limit", message: "32 viewers" } });
  await settled();
  assert.equal(world.state.state, "lost");
  await world.pass(1000);
  assert.equal(world.sockets.length, 2);
});

test("events go to whom they are for, and to nobody once it has stopped", async () => {
  const world = await liveWorld();
  const heard: string[] = [];
  const stop = world.client.subscribe("models", {}, (event) => heard.push(event.as));
  const { as } = world.socket.last("subscribe");
  world.socket.says({ event: "models", as, time_ms: world.now, models: [] });
  world.socket.says({ event: "models", as: "other", time_ms: world.now, models: [] });
  stop();
  world.socket.says({ event: "models", as, time_ms: world.now, models: [] });
  assert.deepEqual(heard, [as]);
  assert.equal(world.socket.last("unsubscribe").as, as);
});

test("a refused subscription is told", async () => {
  const world = await liveWorld();
  const errors: string[] = [];
  world.client.subscribe("agent", { name: "nobody" }, () => undefined, {
    onError: (error) => errors.push(error.code),
  });
  world.socket.answer("subscribe", { ok: false, error: { code: "not_found", message: "none" } });
  await settled();
  assert.deepEqual(errors, ["not_found"]);
});

test("an event that is an error is told as one", async () => {
  const world = await liveWorld();
  const heard: string[] = [];
  world.client.subscribe("agent", { name: "gone" }, () => heard.push("event"), {
    onError: (error) => heard.push(error.code),
  });
  const { as } = world.socket.last("subscribe");
  const error = { code: "not_found", message: "there is no agent gone here" };
  world.socket.says({ event: "agent", as, time_ms: world.now, whole: true, error });
  assert.deepEqual(heard, ["not_found"]);
});

test("a lost connection is dialled again, ever more slowly, and subscribes anew", async () => {
  const world = await liveWorld();
  world.client.subscribe("models", {}, () => undefined);
  const waiting = world.client.call("describe", {});
  world.socket.onclose?.({ code: 1006, reason: "" });
  await assert.rejects(waiting, (error: CallError) => error.code === "closed");
  assert.equal(world.state.state, "lost");
  assert.equal(world.state.lost_ms, world.now);
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const at = world.now;
    assert.ok(world.state.retry_ms !== null);
    await world.pass(world.state.retry_ms - world.now);
    waits.push(world.now - at);
    world.socket.onclose?.({ code: 1006, reason: "" });
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  await world.pass(15_000);
  await world.greet();
  assert.equal(world.state.state, "live");
  assert.equal(world.state.lost_ms, null);
  assert.equal(world.state.epoch, 2);
  assert.equal(world.socket.last("subscribe").topic, "models");
});

test("a host that has fallen silent is given up", async () => {
  const world = await liveWorld();
  await world.pass(SILENCE_MS + SIGN_MS);
  assert.equal(world.state.state, "lost");
  assert.ok(world.sockets[0]?.closed);
});

test("silence is told before the connection is given up, until something is heard", async () => {
  const world = await liveWorld();
  await world.pass(SILENCE_MS - 1);
  assert.equal(world.state.silent, false);
  await world.pass(1);
  assert.deepEqual([world.state.state, world.state.silent], ["live", true]);
  world.socket.answer("unsubscribe", { ok: false, error: { code: "not_found", message: "" } });
  assert.equal(world.state.silent, false);
  await world.pass(SILENCE_MS + SIGN_MS);
  assert.deepEqual([world.state.state, world.state.silent], ["lost", false]);
});

test("a host that gives a sign of life is not", async () => {
  const world = await liveWorld();
  for (let i = 0; i < 5; i++) {
    await world.pass(SILENCE_MS);
    world.socket.answer("unsubscribe", { ok: false, error: { code: "not_found", message: "" } });
    await settled();
  }
  assert.equal(world.state.state, "live");
  assert.equal(world.sockets.length, 1);
});

test("a host that never answers a dial is given up", async () => {
  const world = new World();
  world.client.start("secret");
  await world.pass(DIAL_MS);
  assert.equal(world.state.state, "lost");
});

test("a hidden page asks for nothing but what goes on in the background", async () => {
  const world = await liveWorld();
  world.client.subscribe("models", {}, () => undefined);
  const { as } = world.socket.last("subscribe");
  world.client.subscribe("overview", {}, () => undefined, { background: true });
  world.client.hide(true);
  assert.deepEqual(
    world.socket.sent.filter((one) => one.call === "unsubscribe").map((one) => one.as),
    [as],
  );
  world.socket.onclose?.({ code: 1006, reason: "" });
  await world.pass(500);
  await world.greet();
  assert.deepEqual(
    world.socket.sent.filter((one) => one.call === "subscribe").map((one) => one.topic),
    ["overview"],
  );
  world.client.hide(false);
  assert.equal(world.socket.last("subscribe").topic, "models");
});

test("calls are answered by id, in any order, and errors keep their code", async () => {
  const world = await liveWorld();
  const first = world.client.call("find", { query: "a=1" });
  const second = world.client.call("find", { query: "price<" });
  const [a, b] = world.socket.sent.filter((one) => one.call === "find");
  world.socket.says({
    ok: false,
    error: { code: "malformed", message: "column 7: expected a value" },
    id: b?.id,
  });
  world.socket.says({ ok: true, result: [], id: a?.id });
  assert.deepEqual(await first, []);
  await assert.rejects(second, { code: "malformed", message: "column 7: expected a value" });
});

test("a call that nobody answers ends by its time", async () => {
  const world = await liveWorld();
  const waiting = world.client.call("describe", {}, 5000);
  const ended = assert.rejects(waiting, { code: "timeout" });
  await world.pass(5000);
  await ended;
});

test("arguments cannot take the place of a call's name or id", async () => {
  const world = await liveWorld();
  const args = { query: "x", call: "stop", id: "mine" };
  world.client.call("find", args).catch(() => undefined);
  const sent = world.socket.sent.at(-1);
  assert.equal(sent?.call, "find");
  assert.equal(typeof sent?.id, "number");
});

test("the host's clock is told from its greeting, and again when a clock was set", async () => {
  const world = new World();
  world.client.start("secret");
  await world.greet({ now_ms: world.now + 60_000 });
  assert.equal(world.state.skew_ms, 60_000);
  world.socket.says({ event: "models", as: "x", time_ms: world.now + 60_500 });
  assert.equal(world.state.skew_ms, 60_000);
  world.socket.says({ event: "models", as: "x", time_ms: world.now - 5_000 });
  assert.equal(world.state.skew_ms, -5_000);
});

test("what is no JSON ends the connection", async () => {
  const world = await liveWorld();
  world.socket.onmessage?.({ data: "<html>" });
  assert.equal(world.state.state, "lost");
});
