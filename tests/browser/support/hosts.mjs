// Real hosts: started, asked over their control sockets, ended by their ids. They end with this process,
// however it ends.
import { spawn, execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const TREE = fileURLToPath(new URL("../../../", import.meta.url));
export const HAGGLE = process.env.HAGGLE ?? join(TREE, "build/sanitize/haggle");
export const HAGGLE_RELEASE = process.env.HAGGLE_RELEASE ?? join(TREE, "build/release/haggle");
const START_MS = 40_000;

const running = new Set();

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Host {
  /** `data` is the data folder, which lies in the working folder, as do NAME.out and NAME.err. */
  constructor(name, options = []) {
    this.name = name;
    this.options = options;
  }

  static async start(name, { config, scripts = [], join = [], options = [], binary = HAGGLE }) {
    const host = new Host(name, [
      ...(config === undefined ? scripts : ["--config", config]),
      ...join.flatMap((url) => ["--join", url]),
      ...options,
    ]);
    host.binary = binary;
    host.port = await freePort();
    await host.begin();
    return host;
  }

  /** Starts it, or starts it again at the same port. */
  async begin() {
    const [out, err] = [openSync(`${this.name}.out`, "w"), openSync(`${this.name}.err`, "a")];
    const listen = `127.0.0.1:${this.port}`;
    const words = ["run", ...this.options, "--data", this.name, "--listen", listen, "--json"];
    this.process = spawn("setpriv", ["--pdeathsig", "KILL", this.binary, ...words], {
      stdio: ["ignore", out, err],
    });
    closeSync(out);
    closeSync(err);
    running.add(this.process);
    this.ended = new Promise((resolve) => {
      this.process.once("exit", (status, signal) => {
        running.delete(this.process);
        this.gone = true;
        resolve(status ?? signal);
      });
    });
    this.gone = false;
    const started = JSON.parse(await this.firstLine());
    this.did = started.host;
    this.url = started.join;
    this.links = started.dashboard;
    this.agents = Object.fromEntries(started.agents.map((agent) => [agent.name, agent.did]));
  }

  async firstLine() {
    const until = Date.now() + START_MS;
    for (;;) {
      const said = readFileSync(`${this.name}.out`, "utf8");
      if (said.includes("\n")) return said.split("\n", 1)[0];
      if (this.gone || Date.now() > until) {
        throw new Error(`host ${this.name} did not start: ${this.said().slice(-2000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  said() {
    return existsSync(`${this.name}.err`) ? readFileSync(`${this.name}.err`, "utf8") : "";
  }

  /** A call of CONTROL.md: its result, or an error with a code. */
  call(call, args = {}) {
    return this.lines({ call, ...args }, ({ ok, result, error }) => {
      if (ok) return { result };
      throw Object.assign(new Error(error.message), { code: error.code });
    });
  }

  /** The first event of a topic of FEED.md. */
  look(topic, args = {}) {
    return this.lines({ call: "subscribe", topic, as: "look", ...args }, (line) => {
      if (line.ok === false) throw new Error(line.error.message);
      return line.event === undefined ? undefined : { result: line };
    });
  }

  /** Says it, and hears lines until take() finds a result in one. */
  lines(request, take) {
    return new Promise((resolve, reject) => {
      // The path of a socket is short: relative, since folders for tests may be deep.
      const socket = connect(relative(process.cwd(), join(this.name, "control.sock")));
      let text = "";
      socket.setEncoding("utf8");
      socket.on("error", reject);
      socket.on("data", (piece) => {
        text += piece;
        for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
          const line = JSON.parse(text.slice(0, end));
          text = text.slice(end + 1);
          try {
            const found = take(line);
            if (found === undefined) continue;
            resolve(found.result);
          } catch (error) {
            reject(error);
          }
          socket.destroy();
          return;
        }
      });
      socket.on("close", () => reject(new Error(`host ${this.name} hung up`)));
      socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  async agent(name) {
    return (await this.call("agents")).find((agent) => agent.name === name);
  }

  kill() {
    this.process.kill("SIGKILL");
    return this.ended;
  }

  /** Its exit status, of a stop as an operator does it. */
  stop() {
    if (!this.gone) this.process.kill("SIGINT");
    return this.ended;
  }

  verb(...words) {
    return execFileSync(this.binary, [...words, "--data", this.name], { encoding: "utf8" });
  }
}

process.on("exit", () => {
  for (const host of running) host.kill("SIGKILL");
});
