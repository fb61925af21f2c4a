#!/usr/bin/env python3
# timeout: 170
"""Agents that try to hang, exhaust, crash or leave their host (tests/hostile), many on one host at a
time: each is stopped within its limits, the host lives, and an agent beside them goes on answering
with its state as it should be."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, TREE, Checks, Control, Refused  # noqa: E402

BATCHES = 4
AT_ONCE = 8
WITHIN_MS = 60000
PARKED_MS = 8000  # nobody answers for one that is parked
USUAL_LIMITS = {"memory": '"8MB"', "stretch": '"50ms"', "state": '"1MB"'}

WITNESS = """
agent.on_start(function(reason)
  if reason == "created" then state.sum, state.list = 0, { 1, 2, { three = 3 } } end
end)
local function intact()
  local list = state.list
  return #list == 3 and list[1] == 1 and list[3].three == 3 and ("x"):rep(2) == "xx"
    and string.format("%d", 3) == "3" and math.max(1, 2) == 2 and table.concat({ 1, 2 }) == "12"
    and type(require) == "function" and debug == nil and agent.name == "witness"
end
agent.on("witness/1.0/add", function(message)
  state.sum = state.sum + message.body.by
  message:reply("sum", { sum = state.sum, intact = intact() })
end)
agent.on("witness/1.0/list", function(message) message:reply("list", { list = { 1, 2, 3 } }) end)
agent.on("witness/1.0/noise", function() end)
agent.on("open/1.0/begin", function() end)
"""


class Program:
    """One of the files, and what its first lines say."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-len(".lua")]
        self.said = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                found = re.match(r"-- (Tries|Ends|Limits|Restart|Allow|Grant): (.+)", line)
                if not found:
                    break
                self.said[found[1]] = found[2]
        self.kind, _, self.text = self.said["Ends"].partition(": ")
        self.within_ms = PARKED_MS if self.kind == "parked" else WITHIN_MS
        self.answer = self.code = None
        self.took_s = 0

    def description(self):
        limits = dict(USUAL_LIMITS)
        for setting in filter(None, self.said.get("Limits", "").split(", ")):
            name, value = setting.split(" = ")
            limits[name] = value
        allow = [self.said["Allow"]] if "Allow" in self.said else []
        if "Grant" in self.said:
            allow.append(f"read={os.getcwd()}/granted/{self.said['Grant']}")
        limits_text = ", ".join(f"{name} = {value}" for name, value in limits.items())
        allow_text = ", ".join(json.dumps(grant) for grant in allow)
        restart = f"restart = {{ {self.said['Restart']} }}, " if "Restart" in self.said else ""
        return (f'{{ name = "{self.name}", {restart}script = "hostile/{self.name}.lua", '
                f"limits = {{ {limits_text} }}, allow = {{ {allow_text} }}, "
                f'config = {{ folder = "{os.getcwd()}/granted" }} }}')

    def ask(self, data):
        begin = time.monotonic()
        control = Control(data, timeout=WITHIN_MS / 1000 + 20)
        try:
            self.answer = control.call("ask", to=self.name, type="hostile/1.0/go", body={},
                                       within_ms=self.within_ms)["body"]
        except Refused as error:
            self.code = error.code
        except OSError as error:
            self.code = f"the host hung up ({error})"
        finally:
            control.close()
        self.took_s = time.monotonic() - begin


class Witness(threading.Thread):
    """Asks the agent beside them again and again."""

    def __init__(self, data):
        super().__init__()
        self.data, self.stopping = data, threading.Event()
        self.asked, self.wrong, self.longest_s = 0, [], 0

    def run(self):
        control = Control(self.data, timeout=60)
        while not self.stopping.wait(0.02):
            begin = time.monotonic()
            try:
                answer = control.call("ask", to="witness", type="witness/1.0/add", body={"by": 1},
                                      within_ms=30000)["body"]
            except (OSError, Refused) as error:
                self.wrong.append(str(error))
                break
            self.asked += 1
            self.longest_s = max(self.longest_s, time.monotonic() - begin)
            if answer != {"sum": self.asked, "intact": True}:
                self.wrong.append(answer)
        control.close()


def make_files():
    """What the programs find around them."""
    shutil.copytree(os.path.join(TREE, "tests/hostile"), "hostile")
    with open("hostile/bytecode.lua", "wb") as file:
        file.write(b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n" + bytes(range(256)))
    os.mkdir("granted")
    with open("granted/plain", "w", encoding="ascii") as file:
        file.write("plain\n")
    with open("secret", "w", encoding="ascii") as file:
        file.write("secret\n")
    for name, target in (("inside", "plain"), ("absolute", "/etc/passwd"), ("relative", "../secret"),
                         ("folder", "/etc"), ("round", "../granted/plain"),
                         ("magic", "/proc/self/environ")):
        os.symlink(target, f"granted/{name}")
    os.mkfifo("granted/pipe")
    with open("granted/huge", "wb") as file:
        file.truncate(1 << 40)


def check_log(check, host, names):
    """Every line is the host's own, of the agent it names, and moves nothing but the line."""
    with open(f"{host.name}.err", "rb") as file:
        raw = file.read()
    text = raw.decode(errors="replace")
    check.that(text.encode() == raw, f"{host.name}: the log is UTF-8")
    bad = re.search("[^\n\x20-\x7e\u00a0-\u061b\u061d-\u200d\u2010-\u2027\u202f-\u2065\u206a-\U0010ffff]",
                    text)
    check.that(not bad, f"{host.name}: the log has no control characters", bad and repr(bad[0]))
    odd = [line for line in text.splitlines()
           if not re.match(r"\d\d:\d\d:\d\d\.\d{3} (debug|info |warn |error) \S+  ", line)]
    check.that(not odd, f"{host.name}: every line of the log has its time, level and name", odd[:3])
    forged = [line for line in text.splitlines()
              if re.match(r"\S+ error witness ", line) and "FORGED" in line]
    check.that(not forged, f"{host.name}: nobody writes another's lines", forged[:3])
    if "log_flood" in names:
        lines = len(re.findall(r"^\S+ info  log_flood ", text, re.M))
        check.that(lines <= 50 * 20, "a flood of the log is cut off", lines)
        check.that(text.count("log_flood logs more than 50 lines") == 1, "which is said once",
                   text.count("log_flood logs more than"))


def check_outcome(check, program, state):
    what = f"{program.name}: {program.said['Tries']}"
    error = state["last_error"] or ""
    if program.kind == "harmless":
        check.that(program.answer == {}, what, f"{program.answer or program.code}, last error {error}")
    elif program.kind == "parked":
        check.that(program.code == "timeout" and state["status"] == "parked"
                   and program.text in (state.get("reason") or ""), what, state)
    else:
        failed = program.answer and program.answer.get("code") == "handler_failed"
        check.that(failed and any(text in error for text in program.text.split(" or ")), what,
                   f"{program.answer or program.code}, last error {error}")


def run_batch(check, number, programs):
    with open(f"host{number}.lua", "w", encoding="utf-8") as file:
        agents = ['{ name = "witness", script = "witness.lua" }']
        agents += [program.description() for program in programs]
        file.write("return { agents = {\n  " + ",\n  ".join(agents) + "\n} }\n")
    host = check.host(f"batch{number}", options=["--config", f"host{number}.lua"])
    witness = Witness(host.data)
    witness.start()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda program: program.ask(host.data), programs))
    witness.stopping.set()
    witness.join()
    check.that(host.alive(), f"host {number} lives", host.said()[-3000:])
    if not host.alive():
        print("its agents:", *(program.name for program in programs))
        return
    states = {state["name"]: state for state in host.call("agents")}
    for program in programs:
        check_outcome(check, program, states[program.name])
    check.that(witness.asked > 0 and not witness.wrong,
               f"the agent beside them answers as if it were alone ({witness.asked} times)",
               witness.wrong[:3])
    last = host.body("witness", "witness/1.0/add", {"by": 0})
    check.that(last == {"sum": witness.asked, "intact": True}, "and keeps its state", last)
    check.that(states["witness"]["raised"] == 0, "and has never failed", states["witness"])
    check.that(host.stop() == 0, f"host {number} stops when it is told to", host.said()[-2000:])
    check_log(check, host, [program.name for program in programs])
    print(f"host {number}: {len(programs)} programs, the witness answered {witness.asked} times, "
          f"at the latest after {witness.longest_s * 1000:.0f} ms; slowest programs:",
          *(f"{program.name} {program.took_s:.1f} s"
            for program in sorted(programs, key=lambda program: -program.took_s)[:3]), flush=True)


def refused_at_load(check, programs):
    running = [(program, subprocess.Popen(
        [HAGGLE, "run", f"hostile/{program.name}.lua", "--data", f"refused-{program.name}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        for program in programs]
    for program, process in running:
        try:
            said = process.communicate(timeout=60)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            process.kill()
            said = "it runs"
            process.wait()
        check.that(process.returncode == 1 and program.text in said and "Sanitizer" not in said,
                   f"{program.name}: {program.said['Tries']}", f"{process.returncode}: {said[-600:]}")


with Checks() as check:
    make_files()
    check.script("witness.lua", WITNESS)
    programs = [Program(path) for path in sorted(glob.glob("hostile/*.lua"))
                if os.path.basename(path) != "bytecode.lua"]
    only = sys.argv[1:]
    programs = [program for program in programs if not only or program.name in only]
    check.that(only or len(programs) >= 60, "there are at least 60 programs", len(programs))
    running = [program for program in programs if program.kind != "refused"]
    for number in range(BATCHES):
        if running[number::BATCHES]:
            run_batch(check, number + 1, running[number::BATCHES])
    refused_at_load(check, [program for program in programs if program.kind == "refused"])
    check.no_sanitizer_words()
