// playwright-core lies where tests/integration/dashboard.sh had npm put it, and drives Debian's Chromium.
import { createRequire } from "node:module";
import { join } from "node:path";
import { TREE } from "./hosts.mjs";

const MODULES = process.env.HAGGLE_BROWSER_MODULES ?? join(TREE, "build/browser");
const { chromium } = createRequire(join(MODULES, "package.json"))("playwright-core");

/** A browser without a GPU that asks nobody for anything by itself. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
