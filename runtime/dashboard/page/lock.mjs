// Makes package-lock.json anew from package.json, with names, versions and digests only: what npm adds of
// funding pages, and where packages were fetched from, is left out.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

process.chdir(new URL(".", import.meta.url).pathname);
execFileSync("npm", ["install", "--package-lock-only"], { stdio: "inherit" });
const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
for (const entry of Object.values(lock.packages)) {
  delete entry.funding;
  delete entry.resolved;
}
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
