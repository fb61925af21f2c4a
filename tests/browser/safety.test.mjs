// Who may look and act, and what of the network could not be trusted.
import { LIVE_MS, test } from "./support/tests.mjs";

/** A call over the page's own connection to the host, as a script in the page could make it. */
const callAs = (window, request) =>
  window.page.evaluate(
    (asked) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${location.host}/api/feed`, "haggle.feed.v1");
        socket.onerror = reject;
        socket.onopen = () => {
          socket.send(
            JSON.stringify({ call: "hello", token: sessionStorage.getItem("haggle.token"), id: 0 }),
          );
          socket.send(JSON.stringify({ ...asked, id: 1 }));
        };
        socket.onmessage = ({ data }) => {
          const answer = JSON.parse(data);
          if (answer.id !== 1) return;
          socket.close();
          resolve(answer);
        };
      }),
    request,
  );

test("safety: without a token, and with a wrong one, nothing is shown", async (t) => {
  const bare = await t.open(t.north, { role: null, route: "/agents" });
  await t.shows(bare, "This host requires a token");
  t.that(!(await bare.text()).includes("harbour"), "no agent is named");
  const wrong = await t.open(t.north, { token: "A".repeat(43), route: "/agents" });
  await t.shows(wrong, "The host does not know this token");
  t.that(!wrong.page.url().includes("token"), "the token is out of the address", wrong.page.url());
  await wrong.page.getByLabel("Token or link").fill(t.north.links.viewer);
  await wrong.page.getByRole("button", { name: "Open" }).click();
  await t.shows(wrong, "harbour", "a good link is taken");
});

test("safety: a viewer looks and does not act", async (t) => {
  const window = await t.open(t.north, { role: "viewer", route: "/agents/idler" });
  await window.live();
  const pause = window.page.getByRole("button", { name: "Pause" });
  await t.eventually("it sees what could be done", () => pause.isVisible());
  t.that(await pause.isDisabled(), "and cannot do it");
  t.that((await pause.getAttribute("title")).includes("may look and not act"), "and reads why");
  const answer = await callAs(window, { call: "agent.pause", name: "idler" });
  t.equal(answer.error?.code, "denied", "the host refuses it as well");
  t.equal((await t.north.agent("idler")).status, "running", "nothing has happened");
});

test("safety: an operator pauses and resumes, is asked before, and it is logged", async (t) => {
  const window = await t.open(t.north, { route: "/agents/idler" });
  const { page } = window;
  const act = async (name, sure) => {
    await page.locator("main").getByRole("button", { name, exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await dialog.getByRole("button", { name: sure ? name : "Cancel", exact: true }).click();
    await dialog.waitFor({ state: "hidden" });
  };
  await act("Pause", false);
  t.equal((await t.north.agent("idler")).status, "running", "Cancel does nothing");
  await act("Pause", true);
  await t.within(LIVE_MS, "the button turns", () =>
    page.locator("main").getByRole("button", { name: "Resume", exact: true }).isVisible(),
  );
  t.equal((await t.north.agent("idler")).status, "paused", "it is paused");
  await act("Resume", true);
  await t.eventually("it goes on", async () => (await t.north.agent("idler")).status === "running");
  const said = t.north.said();
  t.that(
    /agent\.pause.*idler/.test(said) && /agent\.resume.*idler/.test(said),
    "the log has both",
    said.slice(-1500),
  );
});

const HOSTILE = [
  "/",
  "/network?as=table",
  "/dialogues",
  "/agents",
  "/agents/hostile",
  "/agents/hostile/state",
  "/agents/hostile/logs",
  "/agents/hostile/dialogues",
  "/agents/hostile/source",
  "/agents/breaker/logs",
  "/directory?q=",
  "/deals",
  "/logs",
  "/agents/%3Cimg%20src%3Dx%20onerror%3D%22window.hostile%3D1%22%3E",
  "/message/%3Cimg%20src=x%20onerror=window.hostile=1%3E",
  "/%3Cscript%3Ewindow.hostile=1%3C/script%3E",
];

test("safety: what is hostile is text, and stays in its place", async (t) => {
  await t.north.call("send", { to: "hostile", type: "hostile/1.0/long", body: {} });
  await t.north.call("send", { to: "hostile", type: "hostile/1.0/raise", body: {} });
  const window = await t.open(t.north, { viewport: { width: 360, height: 780 } });
  for (const route of HOSTILE) {
    await window.go(route);
    await t.eventually(`${route} is shown`, async () => (await window.text()).trim().length > 20);
    await window.page.waitForTimeout(150);
    const found = await window.page.evaluate(() => ({
      ran: window.hostile,
      images: document.querySelectorAll("main img, main script, main iframe").length,
      links: [...document.querySelectorAll("a[href]")].filter((a) =>
        /^\s*javascript:/i.test(a.getAttribute("href")),
      ).length,
      steering: /[\u202a-\u202e\u2066-\u2069\u0007\u001b]/.test(document.body.innerText),
    }));
    t.equal(found, { images: 0, links: 0, steering: false }, `${route} runs and hides nothing`);
    t.equal(await window.sideways(), 0, `${route} stays within the width of a phone`);
  }
  await window.go("/agents/hostile");
  await t.shows(window, /<img src=x onerror="window\.hostile=1">⟨RLO⟩evil/, "it can be read");
});

test("safety: names that no host of ours would give are text, too", async (t) => {
  const name = '<img src=x onerror="window.hostile=1">\u202egnp.exe';
  const window = await t.open(t.north, {
    route: "/agents",
    before: (page) =>
      page.routeWebSocket(/\/api\/feed$/, (socket) => {
        const host = socket.connectToServer();
        socket.onMessage((message) => host.send(message));
        host.onMessage((message) =>
          socket.send(message.replaceAll('"idler"', JSON.stringify(name))),
        );
      }),
  });
  await t.shows(window, /<img src=x onerror="window\.hostile=1">⟨RLO⟩gnp\.exe/);
  for (const route of ["/network", "/network?as=table", "/logs", "/directory", "/"]) {
    await window.go(route);
    await t.eventually(`${route} is shown`, async () => (await window.text()).trim().length > 20);
  }
  t.equal(await window.page.evaluate(() => window.hostile ?? null), null, "nothing ran");
});
