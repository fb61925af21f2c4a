// Dialogues: the list, the diagram, why one failed, files of them; and a deal from the graph to its proof.
import { writeFileSync, readFileSync } from "node:fs";
import { chosen, findAgent } from "./support/network.mjs";
import { LIVE_MS, test } from "./support/tests.mjs";

const rows = (window) => window.page.locator("tbody tr");

/** A dialogue of this host with so many messages at least. */
async function aDialogue(host, wanted, least = 4) {
  const { dialogues } = await host.look("dialogues", { limit: 200, ...wanted });
  return dialogues.find(({ messages, state }) => messages >= least && state !== "open");
}

const routeOf = ({ agent, peer, thid }) =>
  ["/dialogues", agent, peer, thid]
    .map((part, i) => (i === 0 ? part : encodeURIComponent(part)))
    .join("/");

test("dialogues: the list is the host's, live and filtered", async (t) => {
  const window = await t.open(t.north, { route: "/dialogues?agent=echo" });
  await t.eventually("there are some", async () => (await rows(window).count()) > 0);
  t.that(
    (await rows(window).allInnerTexts()).every((row) => row.includes("echo")),
    "of the agent",
  );
  await window.go("/dialogues?protocol=break");
  const many = async () =>
    (await rows(window).count()) + (await window.page.getByText("No dialogue matches").count());
  await t.eventually("another filter", async () => (await many()) > 0);
  const { message } = await t.north.call("send", {
    to: "breaker",
    type: "break/1.0/now",
    body: { why: "to be listed" },
  });
  await window.go(`/dialogues?text=${message}`);
  await t.within(LIVE_MS, "what was just said", async () => (await rows(window).count()) > 0);
});

test("dialogue: its messages in their order, with prices, and steps by keys", async (t) => {
  const told = await t.eventually("a purchase has ended", () =>
    aDialogue(t.north, { agent: "ann" }),
  );
  const { messages } = await t.north.call("dialogue", {
    agent: told.agent,
    peer: told.peer,
    thid: told.thid,
  });
  const window = await t.open(t.north, { route: routeOf(told) });
  const lines = window.page.locator(".sequence-message");
  await t.eventually("all are there", async () => (await lines.count()) === messages.length);
  const words = await lines.allInnerTexts();
  messages.forEach(({ performative }, i) =>
    t.that(words[i].includes(performative), `message ${i + 1} is ${performative}`, words[i]),
  );
  await t.shows(window, String(told.price));
  const current = async () =>
    lines.evaluateAll((all) => all.findIndex((one) => one.getAttribute("aria-current") === "true"));
  const at = await current();
  await window.page.keyboard.press("k");
  await t.eventually("k steps back", async () => (await current()) === at - 1);
  await window.page.keyboard.press("j");
  await t.eventually("j steps on", async () => (await current()) === at);
});

test("dialogue: one that failed says why at its head", async (t) => {
  const failed = await t.eventually("a delivery has failed", async () =>
    (await t.north.look("dialogues", { agent: "faulty", limit: 200 })).dialogues.find(
      ({ why }) => why !== undefined,
    ),
  );
  const window = await t.open(t.north, { route: "/dialogues?agent=faulty" });
  await t.shows(window, failed.why.slice(0, 30));
  await window.go(routeOf(failed));
  await t.shows(window, failed.why.slice(0, 30));
});

test("dialogue: a deal from the graph to evidence that is verified here", async (t) => {
  const window = await t.open(t.north, { route: "/network" });
  const { page } = window;
  await findAgent(window, "ann");
  await chosen(window).getByRole("link", { name: "Its dialogues" }).click();
  await t.eventually("its dialogues", () => page.url().includes("#/dialogues?agent=ann"));
  await page.getByLabel("State").selectOption("ended");
  await rows(window).filter({ hasText: "telemetry.load" }).first().click();
  await page.getByRole("button", { name: /^Verify all/ }).click();
  await t.eventually("all of it is proved", () => page.locator("[data-truth=proved]").isVisible());
  const told = page.url();
  await page.locator(".sequence-message").first().click();
  await page
    .locator(".dialogue-side")
    .getByRole("link", { name: /evidence|message/i })
    .first()
    .click();
  await t.eventually("one message", () => page.url().includes("#/message/"));
  await t.shows(window, /Proved|signed by/i, "and its proof");
  t.that(told.includes("#/dialogues/ann/"), "the dialogue has an address", told);
});

test("dialogue: a file of it is proved elsewhere, and one that was altered is false", async (t) => {
  const told = await t.eventually("a purchase has ended", () =>
    aDialogue(t.north, { agent: "ann" }),
  );
  const window = await t.open(t.north, { route: routeOf(told) });
  const { page } = window;
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Export" }).click(),
  ]);
  await download.saveAs("told.json");
  const other = await t.open(t.crowd, { route: "/dialogues" });
  await other.page.getByLabel("Import a dialogue").setInputFiles("told.json");
  await t.eventually("another host's page shows it", () =>
    other.page.locator("[data-imported]").isVisible(),
  );
  await t.eventually("and proves it", () => other.page.locator("[data-truth=proved]").isVisible());
  const text = readFileSync("told.json", "utf8");
  const file = JSON.parse(text);
  const priced = file.messages.find(({ body }) => typeof body?.price === "number");
  priced.body.price += 1;
  writeFileSync("altered.json", JSON.stringify(file));
  await other.page.getByLabel("Import a dialogue").setInputFiles("altered.json");
  await t.eventually("a price that was altered is false", () =>
    other.page.locator("[data-truth=false]").isVisible(),
  );
  writeFileSync("broken.json", text.slice(0, 100));
  await other.page.getByLabel("Import a dialogue").setInputFiles("broken.json");
  await t.eventually("what is no such file is said to be none", () =>
    other.page.locator(".toast-bad").first().isVisible(),
  );
});
