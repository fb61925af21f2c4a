// Tests of the dashboard's page in a browser, against real hosts:
//
//   tests/integration/dashboard.sh [TEXT]      those whose name has TEXT in it
//
// A test that fails leaves pictures of its windows in HAGGLE_PICTURES.
import "./overview.test.mjs";
import "./network.test.mjs";
import "./dialogues.test.mjs";
import "./message.test.mjs";
import "./agents.test.mjs";
import "./directory.test.mjs";
import "./deals.test.mjs";
import "./models.test.mjs";
import "./logs.test.mjs";
import "./safety.test.mjs";
import "./reconnect.test.mjs";
import { launch } from "./support/playwright.mjs";
import { runTests } from "./support/tests.mjs";
import { makeWorld } from "./support/world.mjs";

const [world, browser] = await Promise.all([makeWorld(), launch()]);
const counted = await runTests(browser, world, process.argv[2] ?? "");
await browser.close();
const wrong = await world.end();
for (const words of wrong) console.log(`FAILED: ${words}`);
const failed = counted.failed + wrong.length;
console.log(`${counted.passed} passed, ${failed} failed`);
process.exit(failed === 0 && counted.passed > 0 ? 0 : 1);
