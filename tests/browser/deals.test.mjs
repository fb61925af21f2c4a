// Deals: prices, what came of them, and the proof of each.
import { readFileSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { HAGGLE } from "./support/hosts.mjs";
import { LIVE_MS, test } from "./support/tests.mjs";

const rows = (window) => window.page.getByLabel("Deals, the latest first").locator("tbody tr");

test("deals: those of the host, as they are made", async (t) => {
  const window = await t.open(t.north, { route: "/deals?service=telemetry.load" });
  await t.eventually("there are some", async () => (await rows(window).count()) > 0);
  t.that(
    (await window.page.locator("main canvas, main svg.chart").count()) > 0,
    "prices over time are drawn",
  );
  const made = async () =>
    Number(
      (await window.page.locator(".stat", { hasText: "delivered" }).innerText()).match(/\d+/)[0],
    );
  const before = await made();
  await t.within(LIVE_MS + 2_000, "one more", async () => (await made()) > before);
  const known = (await t.north.call("deals", { limit: 1000 })).filter(
    ({ service, status }) => service === "telemetry.load" && status === "delivered",
  );
  // Buyer and seller are of this host: a deal has two records.
  const ids = new Set(known.map(({ id }) => id));
  t.that((await made()) <= ids.size, "no more than the host has", {
    made: await made(),
    known: ids.size,
  });
});

test("deals: one that was not kept stands out, with the reason", async (t) => {
  await t.eventually("a deal was breached", async () =>
    (await t.north.call("deals", { limit: 1000 })).some(({ status }) => status === "breached"),
  );
  const window = await t.open(t.north, { route: "/deals?status=breached" });
  await t.eventually("it is listed", async () => (await rows(window).count()) > 0);
  await rows(window).first().click();
  await t.eventually("it opens", () => /#\/deals\/[0-9a-f]+/.test(window.page.url()));
  await t.shows(window, "breached");
  await t.shows(window, /sensor does not answer|declined/, "why");
});

test("deals: one is proved here, and its file by haggle verify", async (t) => {
  const deal = await t.eventually("a deal was delivered", async () =>
    (await t.north.call("deals", { limit: 1000 })).find(({ status }) => status === "delivered"),
  );
  const window = await t.open(t.north, { route: `/deals/${deal.id}` });
  await t.shows(window, new RegExp(`Both sides signed ${deal.price} for`), "what both signed");
  t.that(
    (await window.page.getByLabel("Signed messages, in order").locator("li").count()) >= 2,
    "by whom",
  );
  const [file] = await Promise.all([
    window.page.waitForEvent("download"),
    window.page.getByRole("button", { name: "Download the evidence" }).click(),
  ]);
  await file.saveAs("deal.evidence");
  t.that(
    execFileSync(HAGGLE, ["verify", "deal.evidence"], { encoding: "utf8" }).length > 0,
    "haggle verify accepts it",
  );
  const bytes = readFileSync("deal.evidence");
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync("altered.evidence", bytes);
  let refused = false;
  try {
    execFileSync(HAGGLE, ["verify", "altered.evidence"], { stdio: "pipe" });
  } catch {
    refused = true;
  }
  t.that(refused, "and no other one");
});
