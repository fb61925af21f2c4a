// The network: what is in it, live; found, chosen, steered by mouse and keys; with two thousand agents.
import { clickFound, findAgent, graph, known, side } from "./support/network.mjs";
import { LIVE_MS, test } from "./support/tests.mjs";

/** Answers to a viewer of two thousand agents, on two cores that also run the hosts and have no GPU: far more
 *  than they take, so that only what is not usable any more fails. */
const USABLE_MS = 6_000;

test("network: has the agents of both hosts, and their state", async (t) => {
  const { north } = t;
  const window = await t.open(north, { route: "/network" });
  await t.eventually("as many as the host knows", async () => {
    const { nodes } = await north.look("network");
    const agents = nodes.filter(({ kind }) => kind === "agent").length;
    return (await side(window).innerText()).includes(`${agents} agents on 2 hosts`);
  });
  await north.call("agent.pause", { name: "idler" });
  await t.within(LIVE_MS, "one that is paused", async () =>
    (await side(window).innerText()).includes("1 paused"),
  );
  await north.call("agent.resume", { name: "idler" });
  await t.within(
    LIVE_MS,
    "and goes on",
    async () => !/\d paused/.test(await side(window).innerText()),
  );
  await t.eventually("deals are told", async () =>
    /(bought|sold)/.test(await window.page.getByLabel("Recent events").innerText()),
  );
});

test("network: an agent is found, chosen with the mouse, and opened with a key", async (t) => {
  const window = await t.open(t.north, { route: "/network" });
  const { page } = window;
  await findAgent(window, "harbour");
  t.that(page.url().includes("select="), "the address has it", page.url());
  t.that(await clickFound(window, "harbour"), "a click chooses it");
  await t.eventually("with whom it speaks is told", () =>
    page.getByLabel("Selection").locator(".net-partners").getByText("ann").isVisible(),
  );
  await graph(window).focus();
  await page.keyboard.press("Enter");
  await t.eventually("Enter opens it", () => page.url().includes("#/agents/harbour"));
});

test("network: by keys from agent to agent, and as a table", async (t) => {
  const window = await t.open(t.north, { route: "/network" });
  const { page } = window;
  await known(window);
  await graph(window).focus();
  await page.keyboard.press("n");
  const chosen = page.getByLabel("Selection").getByRole("heading").first();
  await chosen.waitFor();
  const first = await chosen.innerText();
  await page.keyboard.press("n");
  await t.eventually("n goes on", async () => (await chosen.innerText()) !== first);
  await page.keyboard.press("p");
  await t.eventually("p goes back", async () => (await chosen.innerText()) === first);
  await page.keyboard.press("Escape");
  await t.eventually("Escape lets go", () => chosen.isHidden());
  await page.getByRole("button", { name: "Table" }).click();
  for (const name of ["harbour", "ann", "echo"]) await t.shows(window, name);
});

test("network: time goes back and is played", async (t) => {
  const window = await t.open(t.north, { route: "/network" });
  const { page } = window;
  const slider = page.getByRole("slider", { name: "The instant shown" });
  await slider.waitFor();
  await t.eventually(
    "there is a past",
    async () =>
      Number(await slider.getAttribute("aria-valuemax").catch(() => 0)) >
        Number(await slider.getAttribute("aria-valuemin").catch(() => 0)) ||
      Number(await slider.getAttribute("max")) > Number(await slider.getAttribute("min")),
  );
  await slider.focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowLeft");
  const live = page.getByRole("button", { name: "Live" });
  await t.eventually(
    "it is not live now",
    async () => !/^now$/m.test(await page.locator(".net-time").innerText()),
  );
  await live.click();
  await t.eventually("and is again", async () =>
    /now/.test(await page.locator(".net-time").innerText()),
  );
});

test("network: two thousand agents can be moved, enlarged, found and clicked", async (t) => {
  const window = await t.open(t.crowd, { route: "/network" });
  const { page } = window;
  await t.eventually("they are there", async () =>
    /2,00\d agents/.test(await side(window).innerText()),
  );
  const box = await graph(window).boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const timed = async (what, act) => {
    const began = performance.now();
    await act();
    // The page has answered when it has drawn twice since.
    await page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
    const took = Math.round(performance.now() - began);
    t.that(took < USABLE_MS, `${what} is answered within ${USABLE_MS} ms`, took);
  };
  await timed("moving", async () => {
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 120, y + 60, { steps: 6 });
    await page.mouse.up();
  });
  await timed("the wheel", () => page.mouse.wheel(0, -600));
  await timed("the wheel back", () => page.mouse.wheel(0, 600));
  await timed("finding", () => findAgent(window, "worker-1234"));
  await timed("a click", async () =>
    t.that(await clickFound(window, "worker-1234"), "it is chosen"),
  );
  const frames = await page.evaluate(() => window.haggleFrames?.().fps);
  t.that(frames >= 5, "frames are drawn", frames);
});
