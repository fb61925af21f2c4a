// Pictures of every view, light and dark, at four widths:
//
//   node tests/browser/screenshots.mjs FOLDER [VIEW…]
//
// tests/integration/dashboard.sh has what it needs put into build/browser the first time. What lies in the way of
// a good look is printed: sideways scrolling, text of too little contrast, complaints of the page.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { contrasts } from "./support/contrast.mjs";
import { HAGGLE_RELEASE } from "./support/hosts.mjs";
import { Window } from "./support/page.mjs";
import { launch } from "./support/playwright.mjs";
import { makeWorld } from "./support/world.mjs";

const WIDTHS = [360, 768, 1280, 1920];
const HEIGHT = 900;
const SETTLE_MS = 1_500;

const folder = resolve(process.argv[2] ?? "screenshots");
const wanted = process.argv.slice(3);
mkdirSync(folder, { recursive: true });

const world = await makeWorld({ binary: HAGGLE_RELEASE });
const { north, crowd } = world;
await new Promise((done) => setTimeout(done, 8_000)); // deals are made
await prepare();
const views = await routes();

const browser = await launch();
for (const [name, host, route, act] of views) {
  if (wanted.length > 0 && !wanted.some((one) => name.includes(one))) continue;
  for (const colorScheme of ["light", "dark"]) {
    const window = await Window.open(browser, host, { route, colorScheme });
    await window.live();
    if (act !== undefined) await act(window.page);
    for (const width of WIDTHS) {
      await window.page.setViewportSize({ width, height: width < 500 ? 780 : HEIGHT });
      await window.page.waitForTimeout(SETTLE_MS);
      await window.picture(join(folder, `${name}-${colorScheme}-${width}.png`));
      await tell(window, `${name} ${colorScheme} ${width}`, width === 1280);
    }
    for (const problem of await window.wrong()) console.log(`${name}: ${problem}`);
    await window.close();
  }
}
await browser.close();
for (const word of await world.end()) console.log(word);
process.exit(0);

async function tell(window, name, contrast) {
  const sideways = await window.sideways();
  if (sideways > 0) console.log(`${name}: scrolls ${sideways} px sideways`);
  if (!contrast) return;
  for (const { text, ratio, where } of await contrasts(window.page)) {
    console.log(`${name}: contrast ${ratio.toFixed(2)} of "${text.slice(0, 40)}" in ${where}`);
  }
}

async function prepare() {
  await north.call("send", { to: "breaker", type: "break/1.0/now", body: { why: "a picture" } });
  await north.call("send", { to: "breaker", type: "break/1.0/wait", body: {} });
  await north.call("send", { to: "hostile", type: "hostile/1.0/long", body: {} });
  await north.call("agent.pause", { name: "idler" });
}

/** [name, host, route, what is done before the picture] */
async function routes() {
  const deals = await north.call("deals", { limit: 50 });
  const deal = deals.find((one) => one.status === "delivered");
  // One fails when its delivery is overdue.
  const dialogue = async (wanted) => {
    for (;;) {
      const { dialogues } = await north.look("dialogues", { limit: 200 });
      const found = dialogues.find(wanted);
      if (found !== undefined) return `/dialogues/${found.agent}/${found.peer}/${found.thid}`;
      await new Promise((done) => setTimeout(done, 500));
    }
  };
  return [
    ["overview", north, "/"],
    ["network", north, "/network"],
    ["network-crowd", crowd, "/network"],
    ["dialogues", north, "/dialogues"],
    ["dialogue", north, await dialogue((one) => one.thid === deal.id)],
    [
      "dialogue-failed",
      north,
      await dialogue((one) => one.agent === "faulty" && one.state !== "open"),
    ],
    ["dialogues-none", crowd, "/dialogues?agent=nobody"],
    ["message", north, `/message/${deal.messages.at(-1)}`],
    ["agents", north, "/agents"],
    ["agents-crowd", crowd, "/agents?sort=last&descending=1"],
    ["agent", north, "/agents/harbour"],
    ["agent-dialogues", north, "/agents/harbour/dialogues"],
    ["agent-logs", north, "/agents/ann/logs"],
    ["agent-state", north, "/agents/idler/state"],
    ["agent-timers", north, "/agents/idler/timers"],
    ["agent-handlers", north, "/agents/breaker/handlers"],
    ["agent-source", north, "/agents/harbour/source"],
    ["agent-ask", north, "/agents/echo/ask"],
    ["agent-about", north, "/agents/harbour/about"],
    ["agent-raised", north, "/agents/breaker"],
    ["agent-hostile", north, "/agents/hostile"],
    ["directory", north, "/directory?q=service%3Dtelemetry.load"],
    ["deals", north, "/deals"],
    ["deal", north, `/deals/${deal.id}`],
    ["models", north, "/models"],
    ["models-none", crowd, "/models"],
    ["logs", north, "/logs"],
  ];
}
