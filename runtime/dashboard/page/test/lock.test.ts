import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (name: string) => readFileSync(`${process.env.PAGE_FOLDER}/${name}`, "utf8");

test("the lock names no addresses, and a digest of each package", () => {
  const lock = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { integrity?: string }>;
  };
  assert.doesNotMatch(read("package-lock.json"), /:\/\//);
  for (const [name, entry] of Object.entries(lock.packages)) {
    if (name !== "") assert.match(entry.integrity ?? "", /^sha512-/, name);
  }
});

test("versions are pinned", () => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
    string,
    Record<string, string>
  >;
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
});
