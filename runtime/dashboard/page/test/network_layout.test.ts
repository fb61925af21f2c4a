import assert from "node:assert/strict";
import test from "node:test";
import { AGENT_RADIUS, Layout, SEAT_APART } from "../src/network/layout";
import { Network, statusNow, type Node } from "../src/network/model";
import { Recording } from "../src/network/recording";
import { settle } from "../src/network/settle";
import { agent, host, networkEvent } from "./network_event";

const T = 1_000_000;

function present(network: Network): Node[] {
  return [...network.nodes.values()].filter((node) => statusNow(node) !== null);
}

function places(network: Network): Map<string, [number, number]> {
  return new Map(present(network).map((node) => [node.key, [node.toX, node.toY]]));
}

function assertApart(network: Network, least: number): void {
  const agents = present(network).filter((node) => node.kind === "agent");
  for (const [i, a] of agents.entries()) {
    for (const b of agents.slice(i + 1)) {
      assert.ok(Math.hypot(a.toX - b.toX, a.toY - b.toY) >= least, `${a.name} is on ${b.name}`);
    }
  }
}

test("agents have seats within the disc of their host, and discs do not touch", () => {
  const network = new Network();
  const others = [5, 6, 7].map((id) => host(id + 1000, { here: false }));
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 200, nodes: others }));
  const layout = new Layout();
  assert.ok(layout.update(present(network)));
  assertApart(network, SEAT_APART * 0.8);
  const discs = [...layout.discs.values()];
  for (const disc of discs) {
    for (const node of disc.agents) {
      assert.ok(Math.hypot(node.toX - disc.x, node.toY - disc.y) + AGENT_RADIUS < disc.radius);
    }
    for (const other of discs) {
      if (other === disc) continue;
      assert.ok(Math.hypot(disc.x - other.x, disc.y - other.y) > disc.radius + other.radius);
    }
  }
});

test("whoever has a place keeps it when others come and go", () => {
  const network = new Network();
  const layout = new Layout();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 50 }));
  layout.update(present(network));
  const before = places(network);
  network.apply(
    networkEvent({
      time_ms: T + 1,
      nodes: [agent(51), agent(52), host(900, { here: false })],
      gone: [3, 7],
    }),
  );
  assert.ok(layout.update(present(network)));
  for (const [key, place] of places(network)) {
    if (before.has(key)) assert.deepEqual(place, before.get(key), key);
  }
  assertApart(network, SEAT_APART * 0.7);
  assert.ok(!layout.update(present(network)), "nothing has changed: nothing moves");
});

test("a disc that grows makes room, and agents go with their host", () => {
  const network = new Network();
  const layout = new Layout();
  network.apply(
    networkEvent({
      time_ms: T,
      whole: true,
      agents: 2,
      nodes: [host(900, { here: false }), agent(901, { host: 900, here: false })],
    }),
  );
  layout.update(present(network));
  const guest = network.nodes.get("agent did:key:z901")!;
  const home = network.nodes.get("host did:key:zh900")!;
  const offset = [guest.toX - home.toX, guest.toY - home.toY];
  const here = network.nodes.get("host did:key:zh0")!;
  const middle = [here.toX, here.toY];
  const more = Array.from({ length: 400 }, (_, i) => agent(i + 1000));
  network.apply(networkEvent({ time_ms: T + 1, nodes: more }));
  layout.update(present(network));
  assert.deepEqual([here.toX, here.toY], middle, "the host of the page stays");
  assert.ok(Math.abs(guest.toX - home.toX - offset[0]!) < 1e-6);
  assert.ok(Math.abs(guest.toY - home.toY - offset[1]!) < 1e-6);
  const [a, b] = [layout.discs.get(here)!, layout.discs.get(home)!];
  assert.ok(Math.hypot(a.x - b.x, a.y - b.y) > a.radius + b.radius);
});

test("an agent that returns has its place again, unless somebody sits there", () => {
  const network = new Network();
  const layout = new Layout();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 3 }));
  layout.update(present(network));
  const before = places(network).get("agent did:key:z2");
  network.apply(networkEvent({ time_ms: T + 1, gone: [2] }));
  layout.update(present(network));
  network.apply(networkEvent({ time_ms: T + 2, nodes: [agent(8, { did: "did:key:z2" })] }));
  layout.update(present(network));
  assert.deepEqual(places(network).get("agent did:key:z2"), before);
  network.apply(networkEvent({ time_ms: T + 3, gone: [8] }));
  layout.update(present(network));
  const many = Array.from({ length: 6 }, (_, i) => agent(i + 20));
  network.apply(networkEvent({ time_ms: T + 4, nodes: many }));
  layout.update(present(network));
  network.apply(networkEvent({ time_ms: T + 5, nodes: [agent(9, { did: "did:key:z2" })] }));
  layout.update(present(network));
  assertApart(network, SEAT_APART * 0.5);
});

test("those who speak with one another are arranged near one another", () => {
  const network = new Network();
  const layout = new Layout();
  const recording = new Recording();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 40 }));
  layout.update(present(network));
  // Pairs of the first and the last, the second and the last but one, …
  const pairs = Array.from({ length: 20 }, (_, i) => [i + 1, 40 - i] as const);
  const { said } = network.apply(
    networkEvent({ time_ms: T + 1, edges: pairs.map(([a, b]) => [a, b, 5, "bid"]) }),
  );
  recording.add(T + 1, said);
  const apart = () =>
    pairs.reduce((sum, [a, b]) => {
      const one = network.nodes.get(`agent did:key:z${a}`)!;
      const other = network.nodes.get(`agent did:key:z${b}`)!;
      return sum + Math.hypot(one.toX - other.toX, one.toY - other.toY);
    }, 0) / pairs.length;
  const before = apart();
  const settling = settle(layout.discs.values(), recording.traffic(T + 1).ties, () => 0);
  while (!settling.step(1));
  assert.ok(apart() < before * 0.6, `${before} → ${apart()}`);
  assertApart(network, AGENT_RADIUS * 2);
  const disc = [...layout.discs.values()][0]!;
  for (const node of disc.agents) {
    assert.ok(Math.hypot(node.toX - disc.x, node.toY - disc.y) < disc.radius);
  }
});

test("an agent with whom all speak is not buried under them", () => {
  const network = new Network();
  const layout = new Layout();
  const recording = new Recording();
  network.apply(networkEvent({ time_ms: T, whole: true, agents: 60 }));
  layout.update(present(network));
  const edges = Array.from({ length: 59 }, (_, i) => [i + 2, 1, 9, "bid"] as const);
  const { said } = network.apply(
    networkEvent({ time_ms: T + 1, edges: edges.map((edge) => [...edge]) }),
  );
  recording.add(T + 1, said);
  const settling = settle(layout.discs.values(), recording.traffic(T + 1).ties, () => 0);
  while (!settling.step(1));
  assertApart(network, 15);
});
