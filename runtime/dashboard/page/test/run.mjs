// Runs the tests of the page's parts that need no browser: each *.test.ts in here is bundled, since Node 18 reads no
// TypeScript, and handed to node's own runner. Those that need a browser are beside the host's tests.
//
//   node test/run.mjs [NAME…]
import * as esbuild from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const wanted = process.argv.slice(2);
const names = readdirSync(here, { recursive: true })
  .filter((name) => name.endsWith(".test.ts") || name.endsWith(".test.tsx"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const folder = mkdtempSync(path.join(tmpdir(), "page-tests-"));
let status = 1;
try {
  await esbuild.build({
    absWorkingDir: path.dirname(here),
    entryPoints: names.map((name) => path.join(here, name)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".css": "empty" },
    logLevel: "warning",
    define: { "process.env.PAGE_FOLDER": JSON.stringify(path.dirname(here)) },
  });
  const files = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".mjs"))
    .map((name) => path.join(folder, name));
  status =
    spawnSync(process.execPath, ["--test", ...files], {
      stdio: "inherit",
      env: { ...process.env, TZ: "Europe/Berlin" },
    }).status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(status);
