import assert from "node:assert/strict";
import test from "node:test";
import { between, fitted, zoomed } from "../src/network/camera";
import { alongWay, distanceToWay, wayBetween } from "../src/network/geometry";
import { chosen, shortened, type Wish } from "../src/network/labels";
import { Network } from "../src/network/model";
import { Pulses } from "../src/network/pulses";
import { Recording } from "../src/network/recording";
import { familyOf, NOTHING_WANTED, pairsOf, sceneAt, type Wanted } from "../src/network/scene";
import { shapeOf } from "../src/network/sprites";
import { agent, host, networkEvent } from "./network_event";

const T = 1_000_000;

test("zooming leaves the point under the pointer where it is", () => {
  const view = zoomed({ scale: 2, x: 10, y: 20 }, 3, 100, 50);
  assert.equal(view.scale, 6);
  // The world's point that was at (100, 50): ((100 − 10) / 2, (50 − 20) / 2).
  assert.equal(45 * view.scale + view.x, 100);
  assert.equal(15 * view.scale + view.y, 50);
});

test("what is fitted is within the window, few nodes are not huge, and a glide ends where it should", () => {
  const bounds = { left: -500, top: -100, right: 1500, bottom: 300 };
  const view = fitted(bounds, 800, 600, 30);
  assert.ok(bounds.left * view.scale + view.x >= 29.9);
  assert.ok(bounds.right * view.scale + view.x <= 770.1);
  assert.ok(fitted({ left: 0, top: 0, right: 1, bottom: 1 }, 800, 600, 30).scale < 5);
  const end = between({ scale: 1, x: 0, y: 0 }, view, 1);
  assert.ok(Math.abs(end.x - view.x) < 1e-6 && Math.abs(end.scale - view.scale) < 1e-9);
});

test("the two directions between a pair are two lines", () => {
  const a = { x: 0, y: 0 };
  const b = { x: 100, y: 0 };
  const there = alongWay(wayBetween(a, b, true), 0.5);
  const back = alongWay(wayBetween(b, a, true), 0.5);
  assert.ok(Math.abs(there.y - back.y) > 5);
  assert.ok(distanceToWay(wayBetween(a, b, true), there) < 0.5);
  assert.ok(distanceToWay(wayBetween(a, b, true), back) > 5);
  assert.equal(alongWay(wayBetween(a, b, false), 0.5).y, 0);
});

function wish(text: string, x: number, y: number, weight: number): Wish {
  return { text, x, y, weight, bold: false, dim: false };
}

test("names do not cover one another: who weighs more is put, others above, or not at all", () => {
  const wishes = [wish("light", 10, 0, 1), wish("heavy", 0, 0, 2), wish("far", 500, 0, 0)];
  const put = chosen(wishes, () => 40, 16, 10);
  assert.deepEqual(
    put.map((one) => one.text),
    ["heavy", "far"],
  );
  const above = chosen(
    [wish("heavy", 0, 0, 2), { ...wish("light", 10, 0, 1), above: -30 }],
    () => 40,
    16,
    10,
  );
  assert.deepEqual(
    above.map((one) => one.y),
    [0, -30],
  );
  assert.equal(chosen([wish("a", 0, 0, 1), wish("b", 500, 0, 0)], () => 40, 16, 1).length, 1);
});

test("names are cut by characters, and what steers text is shown", () => {
  assert.equal(shortened("kiosk"), "kiosk");
  assert.equal(Array.from(shortened("🦀".repeat(60))).length, 26);
  assert.ok(!shortened("a\u202egnp.exe").includes("\u202e"));
});

function busy(): { network: Network; recording: Recording } {
  const network = new Network();
  const recording = new Recording();
  const applied = network.apply(
    networkEvent({
      time_ms: T,
      whole: true,
      nodes: [
        host(0),
        agent(1, { name: "kiosk-1", services: ["weather"] }),
        agent(2, { name: "kiosk-2", status: "paused" }),
        agent(3, { name: "ann", host: 9, here: false, status: "unknown" }),
        host(9, { here: false }),
      ],
      edges: [
        [1, 2, 6, "bid"],
        [2, 1, 5, "counter"],
        [3, 1, 1000, "bid"],
      ],
    }),
  );
  recording.add(T, applied.said);
  for (const node of network.nodes.values()) node.placed = true;
  return { network, recording };
}

test("a filter keeps those that meet all of it", () => {
  const { network, recording } = busy();
  const matches = (wanted: Partial<Wanted>) => {
    const scene = sceneAt(network, [], recording.traffic(T), T, { ...NOTHING_WANTED, ...wanted });
    return scene.matches && [...scene.matches].map((node) => node.name).sort();
  };
  assert.equal(matches({}), undefined);
  assert.deepEqual(matches({ text: "KIOSK" }), ["kiosk-1", "kiosk-2"]);
  assert.deepEqual(matches({ text: "weath" }), ["kiosk-1"]);
  assert.deepEqual(matches({ group: "kiosk", status: "paused" }), ["kiosk-2"]);
  assert.deepEqual(matches({ status: "remote" }), ["ann"]);
  assert.deepEqual(matches({ host: "host did:key:zh9" }), ["ann", "host-9"]);
  assert.deepEqual(matches({ service: "none" }), []);
  assert.equal(familyOf("kiosk-12"), "kiosk");
  assert.equal(familyOf("kiosk"), "");
});

test("both directions of a pair are one line where there are many", () => {
  const { recording } = busy();
  const pairs = pairsOf(recording.traffic(T).ties);
  assert.equal(pairs.length, 2);
  assert.equal(pairs[0]!.a.count + (pairs[0]!.b?.count ?? 0), 11);
});

test("few messages are a pulse each, of many a sample is shown", () => {
  const { network, recording } = busy();
  const [moment] = recording.between(0, T);
  const pulses = new Pulses();
  pulses.spawn(moment!, 0, 500, () => 0.5);
  assert.ok(pulses.count > 0 && pulses.count <= 12);
  for (let i = 0; i < 100; i++) pulses.spawn(moment!, 0, 500, () => 0.5);
  assert.ok(pulses.count <= 260, "however many there are");
  pulses.clear();
  const few = network.apply(networkEvent({ time_ms: T, edges: [[1, 2, 3, "bid"]] })).said;
  const small = new Recording();
  small.add(T, few);
  pulses.spawn(small.between(0, T)[0]!, 0, 500);
  assert.equal(pulses.count, 3);
});

test("each state has a shape; a status that nobody knows is no error", () => {
  assert.equal(shapeOf("running", true), "running");
  assert.equal(shapeOf("running", false), "remote");
  assert.equal(shapeOf("parked", true), "failed");
  assert.equal(shapeOf("failing", true), "failing");
  assert.equal(shapeOf("unknown", false), "remote");
  assert.equal(shapeOf("__proto__", true), "running");
});
