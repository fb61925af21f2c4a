// Frames a second of the network view, with few and many agents that speak:
//
//   node tests/browser/frames.mjs [AGENTS…]       5, 500 and 2000 by default
//
// One line each: at rest, and while it is moved and enlarged. Nothing else should run meanwhile.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host, HAGGLE_RELEASE, TREE } from "./support/hosts.mjs";
import { Window } from "./support/page.mjs";
import { launch } from "./support/playwright.mjs";

const REST_MS = 5_000;
const MOVES = 40;

const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [5, 500, 2000];
const folder = mkdtempSync(join(tmpdir(), "haggle-frames-"));
process.chdir(folder);
const browser = await launch();
for (const count of counts) {
  const host = await crowdOf(count);
  const window = await Window.open(browser, host, {
    route: "/network",
    viewport: { width: 1280, height: 900 },
  });
  await window.page.locator("main canvas").first().waitFor();
  await window.page.waitForTimeout(REST_MS);
  const rest = await frames(window.page, () => window.page.waitForTimeout(REST_MS));
  const moved = await frames(window.page, () => move(window.page));
  console.log(`${count} agents: ${words(rest)} at rest; ${words(moved)} while it is moved`);
  await window.close();
  await host.stop();
}
await browser.close();
process.chdir("/");
rmSync(folder, { recursive: true, force: true });
process.exit(0);

function crowdOf(count) {
  const script = JSON.stringify(join(TREE, "tests/browser/hosts/worker.lua"));
  writeFileSync(
    `crowd-${count}.lua`,
    `return { agents = { { name = "worker", script = ${script}, count = ${count}, config = { of = ${count} } } } }\n`,
  );
  return Host.start(`host-${count}`, { config: `crowd-${count}.lua`, binary: HAGGLE_RELEASE });
}

/** Frames that the browser has drawn while something happens. */
async function frames(page, act) {
  await page.evaluate(() => {
    const seen = (window.seen = { times: [] });
    const next = (at) => {
      seen.times.push(at);
      if (window.seen === seen) requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
  await act();
  return page.evaluate(() => {
    const { times } = window.seen;
    window.seen = undefined;
    const gaps = times.slice(1).map((at, i) => at - times[i]);
    return { fps: (gaps.length * 1000) / (times.at(-1) - times[0]), longest_ms: Math.max(...gaps) };
  });
}

async function move(page) {
  const box = await page.locator("main canvas").first().boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let i = 0; i < MOVES; i++) {
    await page.mouse.move(x + 200 * Math.sin(i / 6), y + 100 * Math.sin(i / 9));
    await page.waitForTimeout(30);
  }
  await page.mouse.up();
  for (let i = 0; i < MOVES; i++) {
    await page.mouse.wheel(0, i < MOVES / 2 ? -120 : 120);
    await page.waitForTimeout(30);
  }
}

function words({ fps, longest_ms }) {
  return `${fps.toFixed(1)} frames/s, the longest ${longest_ms.toFixed(0)} ms`;
}
