// The agents: the table, and all that there is of one.
import { LIVE_MS, test } from "./support/tests.mjs";

const row = (window, name) => window.page.locator("tbody tr", { hasText: name }).first();

test("agents: are those of the host, and change as they do", async (t) => {
  const { north } = t;
  const window = await t.open(north, { route: "/agents" });
  const agents = await north.call("agents");
  await t.shows(window, `${agents.length} on this host`);
  const names = await window.page.locator("tbody tr td:first-child a").allInnerTexts();
  t.equal(names, agents.map(({ name }) => name).sort(), "their names, in order");
  await north.call("agent.pause", { name: "idler" });
  await t.within(LIVE_MS, "one that is paused is shown so", () =>
    row(window, "idler").getByText("paused").isVisible(),
  );
  await north.call("agent.resume", { name: "idler" });
  await t.within(LIVE_MS, "and one that goes on", () =>
    row(window, "idler").getByText("running").isVisible(),
  );
});

test("agents: are filtered and sorted by the host, in an address that can be shared", async (t) => {
  const window = await t.open(t.crowd, { route: "/agents?filter=worker-19" });
  await t.shows(window, /111 of 2,00\d match/);
  await window.page.getByRole("button", { name: "Agent" }).click();
  await t.eventually("the order is turned", async () =>
    (await row(window, "worker-").innerText()).startsWith("worker-1999"),
  );
  t.that(window.page.url().includes("descending=1"), "the address says so", window.page.url());
  await window.open(`/${new URL(window.page.url()).hash.slice(2)}`);
  await t.eventually("and opens it again", async () =>
    (await row(window, "worker-").innerText()).startsWith("worker-1999"),
  );
});

test("agents: by keys alone, to one agent and its tabs", async (t) => {
  const window = await t.open(t.north, { route: "/agents" });
  const { page } = window;
  await row(window, "harbour").waitFor();
  await page.locator("tbody tr").first().focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await t.eventually("Enter opens it", () => page.url().endsWith("#/agents/harbour"));
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await t.eventually("g a goes back", () => page.url().endsWith("#/agents"));
  await page.keyboard.press("/");
  await page.getByRole("combobox", { name: "Search" }).waitFor();
  await page.keyboard.type("idler");
  await page.getByRole("option", { name: /agent.*idler/ }).waitFor();
  await page.keyboard.press("Enter");
  await t.eventually("a search leads to it", () => page.url().endsWith("#/agents/idler"));
});

test("agent: state, timers and source are what it has", async (t) => {
  const window = await t.open(t.north, { route: "/agents/idler/state" });
  await t.shows(window, "count");
  const before = (await t.north.call("agent.state", { name: "idler" })).value.count;
  await t.shows(window, String(before));
  await t.north.call("send", { to: "idler", type: "idle/1.0/count", body: {} });
  await t.within(LIVE_MS, "a change of state is shown", () =>
    window.page
      .locator("main .json")
      .getByText(String(before + 1), { exact: true })
      .isVisible(),
  );
  await window.go("/agents/idler/timers");
  await t.shows(window, "remind");
  await t.shows(window, "sweep");
  await window.go("/agents/idler/source");
  await t.shows(window, "Has state, timers and a schedule, and does next to nothing.");
  await window.go("/agents/ann/logs");
  await t.shows(window, "bought");
});

test("agent: is asked through a form that its protocol makes", async (t) => {
  const window = await t.open(t.north, { route: "/agents/echo/ask" });
  await window.page.locator("main").getByLabel(/^text/).fill("from the page");
  await window.page.getByRole("button", { name: "Ask", exact: true }).click();
  await t.shows(window, "from the page");
  await t.shows(window, "times");
});

test("agent: one that failed says why", async (t) => {
  await t.north.call("send", {
    to: "breaker",
    type: "break/1.0/now",
    body: { why: "the page asks" },
  });
  const window = await t.open(t.north, { route: "/agents/breaker" });
  await t.shows(window, /told to break: the page asks/);
});
