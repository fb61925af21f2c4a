// The overview: numbers and alarms of the host, live.
import { LIVE_MS, test } from "./support/tests.mjs";

const FAILED_MS = 40_000;

/** What a tile says below its label. */
async function stat(window, label) {
  const tiles = await window.page.locator("main .stat").allInnerTexts();
  const lines = tiles.map((tile) => tile.split("\n").map((line) => line.trim()));
  return lines.find(([first]) => first === label)?.slice(1) ?? [];
}

test("overview: shows what the host counts", async (t) => {
  const { north } = t;
  const window = await t.open(north);
  await window.live();
  const { agents: all, peers } = await north.call("describe");
  const agents = all - 1; // the operator's side of conversations is none of them
  await t.eventually("the number of agents", async () =>
    (await stat(window, "Agents")).includes(String(agents)),
  );
  await t.eventually("that of other hosts", async () =>
    (await stat(window, "Other hosts")).includes(String(peers)),
  );
  t.that((await window.page.locator("main canvas").count()) > 0, "there are charts");
  await t.shows(window, "Others join with");
});

test("overview: a failure is there at once, and so is its alarm", async (t) => {
  const { north } = t;
  const window = await t.open(north);
  await window.live();
  const failures = async () => Number((await stat(window, "Failures"))[0]?.replaceAll(",", ""));
  await t.eventually("there are numbers", async () => (await failures()) >= 0);
  const before = await failures();
  await north.call("send", { to: "breaker", type: "break/1.0/now", body: { why: "overview" } });
  await t.within(LIVE_MS, "the failures grow", async () => (await failures()) > before);
  await t.eventually("a dead letter is an alarm", () =>
    window.page.locator(".alarms", { hasText: "dead letters" }).isVisible(),
  );
});

test("overview: why a deal failed is in sight, a click away from its dialogue", async (t) => {
  const window = await t.open(t.north);
  const line = window.page.locator(".failed li", { hasText: "telemetry.broken" });
  // The first such deal takes a while: it is agreed, and declined when it was to be delivered.
  await t.within(FAILED_MS, "the reason, as the seller gave it", async () =>
    (await line.first().innerText()).includes("the sensor does not answer"),
  );
  t.that(
    (await window.page.locator(".failed li").count()) <= 5,
    "what fails again and again takes one line",
  );
  await line.first().getByRole("link").click();
  await t.eventually("its diagram", () => window.page.locator(".sequence").isVisible());
  await t.shows(window, /^Failed:/);
});
