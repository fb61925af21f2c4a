// The hosts that tests, pictures and measurements look at.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host, HAGGLE, HAGGLE_RELEASE, TREE } from "./hosts.mjs";

const HOSTS = join(TREE, "tests/browser/hosts");

/** Makes a folder of its own, which becomes the working folder, and starts what is asked for in it. */
export async function makeWorld({ crowd = true, binary = HAGGLE } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "haggle-browser-"));
  process.once("exit", () => {
    process.chdir("/");
    rmSync(folder, { recursive: true, force: true });
  });
  process.chdir(folder);
  const north = await Host.start("north", { config: join(HOSTS, "north.lua"), binary });
  const [south, many] = await Promise.all([
    Host.start("south", { config: join(HOSTS, "south.lua"), join: [north.url], binary }),
    crowd
      ? Host.start("crowd", { config: join(HOSTS, "crowd.lua"), binary: HAGGLE_RELEASE })
      : undefined,
  ]);
  const hosts = [north, south, many].filter((host) => host !== undefined);
  return {
    folder,
    north,
    south,
    crowd: many,
    hosts,
    async end() {
      const statuses = await Promise.all(hosts.map((host) => host.stop()));
      const words = hosts.flatMap((host, i) => {
        const bad = /.*(Sanitizer|runtime error:|Assertion).*/.exec(host.said());
        const wrong =
          statuses[i] === 0 && bad === null ? [] : [`${host.name}: status ${statuses[i]}`];
        return bad === null
          ? wrong
          : [...wrong, `${host.name}: ${host.said().slice(bad.index, bad.index + 2500)}`];
      });
      return words;
    },
  };
}
