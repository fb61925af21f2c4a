// What tests are written with: test("…", async (t) => …), t.that(…), t.within(…). Each has windows of its own;
// what a page complained of fails the test, and a picture of a failed one stays in the folder of logs.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Window, WITHIN_MS } from "./page.mjs";

/** "Within a second": the host samples and sends once in one, and two busy cores take their time. */
export const LIVE_MS = 3_000;

const all = [];

export function test(name, body) {
  all.push({ name, body });
}

class Failed extends Error {}

class Test {
  constructor(name, browser, world) {
    Object.assign(this, { name, browser, ...world, windows: [], passed: 0 });
  }

  async open(host, options) {
    const window = await Window.open(this.browser, host, options);
    this.windows.push(window);
    return window;
  }

  that(good, what, detail) {
    if (!good) throw new Failed(`${what}${detail === undefined ? "" : `: ${show(detail)}`}`);
    this.passed++;
  }

  equal(found, wanted, what) {
    this.that(JSON.stringify(found) === JSON.stringify(wanted), what, { found, wanted });
  }

  /** The value of look() once it is true (no error, not false), waited for no longer than that. */
  async within(ms, what, look) {
    const until = performance.now() + ms;
    let value, problem;
    do {
      try {
        value = await look();
        problem = undefined;
      } catch (error) {
        problem = error;
      }
      if (value && problem === undefined) {
        this.passed++;
        return value;
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    } while (performance.now() < until);
    throw new Failed(`${what}, within ${ms} ms: ${show(problem ?? value)}`);
  }

  eventually(what, look) {
    return this.within(WITHIN_MS, what, look);
  }

  /** A text is there, in main by default. */
  async shows(window, text, what = `shows ${text}`) {
    const place = window.page.locator("main").getByText(text).filter({ visible: true }).first();
    await place.waitFor().catch(async () => {
      throw new Failed(`${what}: it is not in ${(await window.text()).slice(0, 1500)}`);
    });
    this.passed++;
    return place;
  }
}

function show(value) {
  if (value instanceof Error) return value.stack ?? String(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Runs all, one after the other; the last line counts. */
export async function runTests(browser, world, only) {
  let passed = 0;
  let failed = 0;
  for (const { name, body } of all.filter((one) => one.name.includes(only))) {
    const test = new Test(name, browser, world);
    const began = performance.now();
    let problem;
    try {
      await body(test);
      for (const window of test.windows) {
        const wrong = await window.wrong();
        if (wrong.length > 0) throw new Failed(`the page complained:\n  ${wrong.join("\n  ")}`);
      }
    } catch (error) {
      problem = error;
    }
    passed += test.passed;
    const took = `${((performance.now() - began) / 1000).toFixed(1)} s`;
    if (problem !== undefined) {
      failed++;
      console.log(`FAILED: ${name}, ${took}: ${show(problem)}`);
      await keepPictures(test);
    } else console.log(`ok ${name}, ${took}`);
    for (const window of test.windows) await window.close().catch(() => undefined);
  }
  return { passed, failed };
}

async function keepPictures(test) {
  const folder = process.env.HAGGLE_PICTURES;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  for (const [i, window] of test.windows.entries()) {
    const file = `${test.name.replaceAll(/[^a-z0-9]+/gi, "-")}-${i}.png`;
    await window.picture(join(folder, file)).then(
      () => console.log(`  picture: ${file}, of ${window.page.url()}`),
      (error) => console.log(`  no picture: ${error}`),
    );
  }
}
