// Builds the page into a folder: index.html, assets/app.js, assets/app.css, assets/icon.svg.
//
//   node build.mjs [OUT] [--compressed | --watch]      OUT is dist by default
//
// With --compressed there is a NAME.gz of each file and nothing else: what a host serves. The same sources give
// the same bytes. What is built has to stay below the ceiling, compressed: it is part of the haggle binary, and of
// the first impression over a slow line. Hence terser, and zopfli, which finds what gzip -9 does not: each is worth
// three and a half percent.
import zopfli from "@gfx/zopfli";
import * as esbuild from "esbuild";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { minify } from "terser";

const CEILING_BYTES = 100 * 1024;
const FILES = ["index.html", "assets/app.js", "assets/app.css", "assets/icon.svg"];

const here = path.dirname(fileURLToPath(import.meta.url));
const flags = process.argv.slice(2).filter((argument) => argument.startsWith("-"));
const out = path.resolve(
  process.argv.slice(2).find((argument) => !argument.startsWith("-")) ?? "dist",
);
const watch = flags.includes("--watch");

await rm(out, { recursive: true, force: true });
await mkdir(path.join(out, "assets"), { recursive: true });
await cp(path.join(here, "src/icon.svg"), path.join(out, "assets/icon.svg"));
const html = await readFile(path.join(here, "src/index.html"), "utf8");
await writeFile(path.join(out, "index.html"), html.replace(/>\s+</g, "><"));

const options = {
  absWorkingDir: here,
  entryPoints: { app: "src/app.tsx" },
  outdir: path.join(out, "assets"),
  bundle: true,
  format: "iife",
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: !watch,
  sourcemap: watch ? "inline" : false,
  legalComments: "none",
  logLevel: "warning",
};

if (watch) {
  const context = await esbuild.context(options);
  await context.watch();
  console.log(`watching; the page is in ${out}`);
} else {
  await esbuild.build(options);
  const script = path.join(out, "assets/app.js");
  const { code } = await minify(await readFile(script, "utf8"), {
    ecma: 2020,
    toplevel: true,
    compress: { passes: 2, keep_fargs: false, pure_getters: true },
  });
  await writeFile(script, code);
  let total = 0;
  for (const file of FILES) {
    const name = path.join(out, file);
    const compressed = await zopfli.gzipAsync(await readFile(name), {});
    total += compressed.length;
    console.log(`${String(compressed.length).padStart(7)}  ${file}`);
    if (!flags.includes("--compressed")) continue;
    await writeFile(`${name}.gz`, compressed);
    await rm(name);
  }
  console.log(`${String(total).padStart(7)}  bytes gzipped, of at most ${CEILING_BYTES}`);
  if (total > CEILING_BYTES) {
    console.error(
      "The page is too large: look for what pulls in a library, or leave something out.",
    );
    process.exit(1);
  }
}
