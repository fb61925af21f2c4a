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

test("agent: what waits and what died is listed, and decided on by the operator", async (t) => {
  const { north } = t;
  const say = (type, body) =>
    north.call("send", { to: "breaker", type: `break/1.0/${type}`, body });
  const window = await t.open(north, { route: "/agents/breaker/handlers" });
  const { page } = window;
  const table = (name) => page.getByRole("table", { name });
  await say("wait", {});
  const waiting = table("Suspended handlers").locator("tbody tr").first();
  await t.within(LIVE_MS, "a handler that waits is there", () =>
    waiting.getByText("for its time").isVisible(),
  );
  const [run] = await north.call("runs.list", { agent: "breaker" });
  const { since_ms, until_ms } = run.waits;
  t.that(Math.abs(until_ms - since_ms - 3_600_000) < 100, "since when and until when", run.waits);
  t.that(/in (1 h|59 min|60 min)/.test(await waiting.innerText()), "the deadline is shown");
  await waiting.getByRole("button", { name: "Drop" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Drop" }).click();
  const letter = (words) => table("Dead letters").locator("tbody tr", { hasText: words });
  await t.within(LIVE_MS, "dropped, its message is a dead letter", () =>
    letter("wait").first().isVisible(),
  );
  await say("now", { why: "to be resent" });
  await t.within(LIVE_MS, "so is what no attempt could handle, the newest first", async () =>
    (await table("Dead letters").locator("tbody tr").first().innerText()).includes("to be resent"),
  );
  const [newest] = await north.call("dead.list", { agent: "breaker", newest: true, limit: 1 });
  await letter("to be resent").getByRole("button", { name: "Resend" }).click();
  await t.within(LIVE_MS, "sent again, it dies again as another", async () => {
    const [again] = await north.call("dead.list", { agent: "breaker", newest: true, limit: 1 });
    return again.row > newest.row && again.message.id === newest.message.id;
  });
  const viewer = await t.open(north, { route: "/agents/breaker/handlers", role: "viewer" });
  await t.eventually("who may only look is told why it may not act", async () =>
    /may look and not act/.test(
      (await viewer.page.getByRole("button", { name: "Resend" }).first().getAttribute("title")) ??
        "",
    ),
  );
});

test("agent: of more handlers than are listed it is said that there are", async (t) => {
  const { north } = t;
  const words = /There are more/;
  const window = await t.open(north, { route: "/agents/breaker/handlers" });
  const runs = () => north.call("runs.list", { agent: "breaker" });
  for (let i = 0; i < 101; i++) {
    await north.call("send", { to: "breaker", type: "break/1.0/wait", body: {} });
  }
  await t.shows(window, words);
  await north.call("runs.finish", { row: (await runs())[0].row });
  await t.eventually("of as many as are listed it is not", async () => {
    const rows = window.page.getByRole("table", { name: "Suspended handlers" });
    return (
      (await rows.locator("tbody tr").count()) === 100 &&
      (await window.page.getByText(words).count()) === 0
    );
  });
  for (const { row } of await runs()) await north.call("runs.finish", { row });
});

test("agent: one whose handlers raise is failing, wherever it is shown", async (t) => {
  const { north } = t;
  await north.call("send", { to: "breaker", type: "break/1.0/now", body: { why: "a test" } });
  const window = await t.open(north, { route: "/agents?status=failing" });
  await t.within(LIVE_MS, "in the table, which finds it by that", () =>
    row(window, "breaker").locator(".status-bad", { hasText: "failing" }).isVisible(),
  );
  await window.go("/agents/breaker");
  await t.shows(window, "failing");
  await t.shows(window, /\d in the last minute/);
  await window.go("/network");
  await t.shows(window, /\d failing/);
});

test("agent: one that is stopped says so where there is nothing to show", async (t) => {
  const { north } = t;
  await north.call("agent.stop", { name: "idler" });
  const window = await t.open(north, { route: "/agents/idler" });
  await t.shows(window, "It is stopped");
  await window.go("/agents/idler/handlers");
  await t.shows(window, "Handlers that wait go on once it is resumed.");
  await window.go("/");
  await t.shows(window, /1 stopped/);
  await north.call("agent.resume", { name: "idler" });
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
