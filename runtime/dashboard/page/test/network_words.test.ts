import assert from "node:assert/strict";
import test from "node:test";
import { tradeOf } from "../src/deals/trade";
import type { Deal } from "../src/feed/types";
import { Network } from "../src/network/model";
import {
  dealNews,
  linkNews,
  refusalNews,
  refusalsNews,
  turnNews,
  withNews,
  type News,
} from "../src/network/words";
import { agent, host, networkEvent } from "./network_event";

const T = 1_000_000;

function text({ pieces }: News): string {
  return pieces.map((piece) => piece.text).join(" ");
}

function deal(fields: object): News {
  const record = {
    id: "0f3a",
    service: "weather",
    price: 4,
    rounds: 1,
    role: "seller",
    counterparty: "did:key:zBuyer",
    with: "did:key:zBuyer",
    status: "delivered",
    agent: "kiosk",
    time_ms: T,
    ...fields,
  };
  return dealNews(tradeOf(record as Deal), (did) => (did === "did:key:zBuyer" ? "ann" : ""));
}

test("deals are told as who bought what from whom, and for how much", () => {
  assert.equal(text(deal({})), "ann bought weather from kiosk for 4, after 1 round");
  assert.match(text(deal({ status: "agreed" })), /^ann and kiosk agreed on weather for 4/);
  assert.match(text(deal({ status: "breached", why: "late" })), /^Breach: .* – late$/);
  assert.ok(
    text(deal({ service: 7, price: {}, rounds: "x", counterparty: 1, with: [] })).length > 0,
  );
});

test("refusals are told one by one, or all together", () => {
  const network = new Network();
  const { said } = network.apply(
    networkEvent({
      time_ms: T,
      whole: true,
      agents: 3,
      edges: [
        [1, 2, 2, "decline"],
        [3, 2, 5, "decline"],
      ],
    }),
  );
  const one = refusalNews(said[0]!, T);
  assert.equal(text(one), "agent-1 to agent-2 : decline");
  assert.equal(one.pieces[4]?.href, "#/dialogues?agent=agent-1&peer=agent-2");
  assert.equal(text(refusalsNews(said, T)), "7 refusals by 2 agents, most by agent-3");
});

test("falling asleep is no news; failing is", () => {
  const network = new Network();
  network.apply(
    networkEvent({ time_ms: T, whole: true, agents: 1, nodes: [host(5, { here: false })] }),
  );
  const turned = (status: string) =>
    network
      .apply(networkEvent({ time_ms: T + 1, nodes: [agent(1, { status })] }))
      .turned.flatMap((turn) => turnNews(turn, T) ?? []);
  assert.equal(turned("asleep").length, 0);
  const [failed] = turned("parked");
  assert.equal(failed?.tone, "bad");
  assert.equal(text(failed!), "agent-1 has failed, and is parked");
  assert.equal(text(turned("running")[0]!), "agent-1 runs again");
  const [failing] = turned("failing");
  assert.equal(failing?.tone, "bad");
  assert.equal(text(failing!), "agent-1 is failing: its handlers raise");
  const [well] = turned("asleep");
  assert.equal(well?.tone, "good");
  assert.equal(text(well!), "agent-1 has not raised for a minute");
  const [a, b] = [...network.nodes.values()].filter((node) => node.kind === "host");
  const down = linkNews({ a: a!, b: b!, up: false, skew_ms: 0, unacknowledged: 0 }, T);
  assert.equal(text(down), "Hosts host-0 and host-5 have lost their link");
});

test("what goes on takes the place of its past, what is repeated is counted, and the list is bounded", () => {
  let news = withNews([], [deal({ status: "agreed" })]);
  news = withNews(news, [deal({ time_ms: T + 5 })]);
  assert.equal(news.length, 1);
  assert.match(text(news[0]!), /bought/);
  const refusal: News = { key: "refusal a b", time: T, tone: "refuse", pieces: [], times: 1 };
  news = withNews(withNews([], [refusal]), [{ ...refusal, time: T + 1_000, times: 2 }]);
  assert.equal(news[0]?.times, 3);
  news = withNews(news, [{ ...refusal, time: T + 60_000 }]);
  assert.equal(news[0]?.times, 1, "that was long ago");
  const many = Array.from({ length: 200 }, (_, i) => ({ ...refusal, key: `k${i}`, time: T + i }));
  assert.ok(withNews([], many).length <= 60);
});
