import assert from "node:assert/strict";
import test from "node:test";
import { Network, statusAt } from "../src/network/model";
import { agent, host, networkEvent } from "./network_event";

const T = 1_000_000;

test("nodes stay themselves when a new connection numbers them anew", () => {
  const network = new Network();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 2 }));
  const before = network.nodes.get("agent did:key:z1");
  const applied = network.apply(
    networkEvent({
      time_ms: T + 1000,
      whole: true,
      nodes: [host(7, { did: "did:key:zh0" }), agent(9, { did: "did:key:z1", host: 7 })],
      edges: [[9, 7, 1, "bid"]],
    }),
  );
  const after = network.nodes.get("agent did:key:z1");
  assert.equal(after, before);
  assert.equal(applied.said[0]?.tie.from, before);
  assert.equal(after?.host, network.nodes.get("host did:key:zh0"));
  assert.equal(
    statusAt(network.nodes.get("agent did:key:z2")!, T + 1000),
    null,
    "it is not there any more",
  );
});

test("how a node stood can be asked for any instant", () => {
  const network = new Network();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 1 }));
  network.apply(
    networkEvent({ time_ms: T + 10, nodes: [agent(1, { status: "paused" }), agent(2)] }),
  );
  network.apply(networkEvent({ time_ms: T + 20, gone: [1] }));
  const first = network.nodes.get("agent did:key:z1")!;
  const second = network.nodes.get("agent did:key:z2")!;
  assert.equal(statusAt(first, T - 60_000), "running", "it was there before the page was");
  assert.equal(statusAt(first, T + 10), "paused");
  assert.equal(statusAt(first, T + 20), null);
  assert.equal(statusAt(second, T + 9), null, "it came later");
  assert.equal(statusAt(second, T + 10), "running");
});

test("an event says what has turned, and which links changed", () => {
  const network = new Network();
  const links = [{ a: 0, b: 5, up: true, skew_ms: 0, unacknowledged: 0 }];
  const first = network.apply(
    networkEvent({ time_ms: T, whole: true, agents: 1, nodes: [host(5, { here: false })], links }),
  );
  assert.ok(first.changed);
  assert.equal(first.relinked.length, 0, "what is known first is no change");
  const same = network.apply(
    networkEvent({ time_ms: T + 1, nodes: [agent(1, { handled: 3 })], links }),
  );
  assert.ok(!same.changed);
  assert.equal(same.turned.length, 0);
  const down = network.apply(
    networkEvent({
      time_ms: T + 2,
      nodes: [agent(1, { status: "parked" })],
      links: [{ ...links[0]!, up: false }],
    }),
  );
  assert.ok(!down.changed, "nobody has to be placed for that");
  assert.deepEqual(
    down.turned.map(({ before, after }) => [before, after]),
    [["running", "parked"]],
  );
  assert.equal(down.relinked.length, 1);
});

test("edges of ids that nobody described are left out, as are those of no message", () => {
  const network = new Network();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 2 }));
  const applied = network.apply(
    networkEvent({
      time_ms: T + 1,
      edges: [
        [1, 99, 4, "bid"],
        [1, 2, 0, "bid"],
        [1, 2, 3, "__proto__"],
      ],
    }),
  );
  assert.equal(applied.said.length, 1);
  assert.equal(applied.said[0]?.kind, "other");
});

test("what nothing shows any more is forgotten, with all that led to it", () => {
  const network = new Network();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 2, edges: [[2, 1, 1, "bid"]] }));
  network.apply(networkEvent({ time_ms: T + 1, gone: [1] }));
  network.forget(T + 1);
  assert.ok(network.nodes.has("agent did:key:z1"), "it was still there at that instant");
  network.forget(T + 2);
  assert.ok(!network.nodes.has("agent did:key:z1"));
  assert.equal(network.nodes.get("agent did:key:z2")?.ties.size, 0);
});
