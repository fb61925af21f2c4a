import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dialogue } from "../src/feed/types";
import { failedOf } from "../src/views/overview/failed";

function failed(thid: string, more: Partial<Dialogue> = {}): Dialogue {
  return {
    agent: "ann",
    peer: "did:key:z6Mk",
    thid,
    opened_ms: 1,
    last_ms: 2,
    messages: 1,
    state: "failed",
    cause: "timed_out",
    ...more,
  };
}

test("what fails again and again takes one line, and hides nothing", () => {
  const often = Array.from({ length: 40 }, (_, i) => failed(`often${i}`));
  const found = failedOf([...often, failed("once", { cause: "breached", service: "cut flowers" })]);
  assert.deepEqual(
    found.map(({ latest, times }) => [latest.thid, times]),
    [
      ["often0", 40],
      ["once", 1],
    ],
  );
});

test("other partners and other services are other failures", () => {
  const all = [failed("a"), failed("b", { peer: "did:key:z6Mx" }), failed("c", { service: "x" })];
  assert.equal(failedOf(all).length, 3);
});
