#!/usr/bin/env python3
# timeout: 120
# waits
"""haggle demo: deals are closed, a second start goes on where the first stopped, Ctrl-C leaves
nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, Checks, Control  # noqa: E402


def processes_of(folder):
    """Pids of hosts that run on data folders below this one."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if f"{folder}/".encode() in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def deals_of(folder):
    control = Control(folder)
    try:
        return control.call("deals", limit=1000)
    finally:
        control.close()


def totals(check, done, name):
    check.that(done.returncode == 0, f"{name}: ends well", done)
    lines = done.stdout.splitlines()
    check.that(len(lines) == 1, f"{name}: prints one object", done.stdout)
    result = json.loads(lines[-1])
    for key in ("hosts", "agents", "messages", "deals"):
        check.that(isinstance(result.get(key), int), f"{name}: tells {key}", result)
    check.that(result["hosts"] == 2 and result["agents"] >= 5, f"{name}: two hosts, five agents",
               result)
    check.that(result["deals"] > 0, f"{name}: deals are closed", result)
    check.that(result["messages"] >= 5 * result["deals"], f"{name}: of several messages each", result)
    check.that(result.get("breaches", 0) == 0, f"{name}: and none broken", result)
    return result


with Checks() as check:
    folder = os.path.join(check.folder, "market")
    first = totals(check, check.haggle("demo", "--seconds", "6", "--json", "--data", folder), "first")
    check.that(processes_of(folder) == [], "no process is left")
    print(first, flush=True)

    # The second start, watched from outside
    demo = subprocess.Popen([HAGGLE, "demo", "--seconds", "9", "--json", "--data", folder],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kept = []
    for name in ("north", "south"):
        check.eventually(lambda: deals_of(f"{folder}/{name}") is not None, f"{name} answers",
                         seconds=15)
        kept += [deal for deal in deals_of(f"{folder}/{name}") if deal["role"] == "buyer"]
    check.that(len([deal for deal in kept if deal["status"] == "delivered"]) >= first["deals"],
               "the deals of the first run are still there", (len(kept), first))
    other = check.haggle("demo", "--seconds", "2", "--data", folder)
    check.that(other.returncode == 1 and "already" in other.stderr,
               "a second demo on the same folder says that there is one", other)
    host = check.haggle("agents", "--data", f"{folder}/north", "--json")
    dids = {agent["name"]: agent["did"] for agent in map(json.loads, host.stdout.splitlines())}
    check.that({"harbour", "ann", "bob"} <= set(dids), "the agents are those of the host file", dids)
    out, err = demo.communicate(timeout=60)
    second = totals(check, subprocess.CompletedProcess([], demo.returncode, out, err), "second")
    print(second, flush=True)
    check.that(processes_of(folder) == [], "no process is left after the second run")

    # For people, ended by Ctrl-C
    with open("shown", "wb") as shown:
        demo = subprocess.Popen([HAGGLE, "demo", "--data", folder], stdout=shown, stderr=shown)
    until = time.monotonic() + 30
    while time.monotonic() < until and b"bought" not in open("shown", "rb").read():
        time.sleep(0.1)
    both = {name: deals_of(f"{folder}/{name}") for name in ("north", "south")}
    check.that(all(both.values()), "both hosts know deals")
    again = check.haggle("agents", "--data", f"{folder}/north", "--json").stdout.splitlines()
    check.that({agent["name"]: agent["did"] for agent in map(json.loads, again)} == dids,
               "the agents are the same ones as in the run before")
    hosts = processes_of(folder)
    check.that(len(hosts) >= 2, "two hosts run", hosts)
    demo.send_signal(signal.SIGINT)
    try:
        check.that(demo.wait(30) == 0, "Ctrl-C ends it well", demo.returncode)
    except subprocess.TimeoutExpired:
        check.that(False, "Ctrl-C ends it")
        demo.kill()
    check.that(processes_of(folder) == [], "and leaves no process behind", processes_of(folder))
    said = open("shown", encoding="utf-8").read()
    check.that("bought" in said and " for " in said, "deals were shown", said[-600:])
    check.says("stopping", said, "and the end")

    # Killed outright, its hosts end too, and what they know is there at the next start
    demo = subprocess.Popen([HAGGLE, "demo", "--json", "--data", folder], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while time.monotonic() < until and len(processes_of(folder)) < 3:
        time.sleep(0.1)
    time.sleep(1)
    demo.kill()
    demo.wait()
    check.eventually(lambda: not processes_of(folder), "killed outright, its hosts end as well",
                     seconds=20, detail=lambda: processes_of(folder))
    last = totals(check, check.haggle("demo", "--seconds", "5", "--json", "--data", folder), "last")
    for name in ("north", "south"):
        log = open(f"{folder}/{name}/host.log", encoding="utf-8", errors="replace").read()
        check.that("Sanitizer" not in log and "runtime error" not in log,
                   f"{name}: no report of a sanitizer", log[-2500:])
        check.that(" error " not in log, f"{name}: no error in its log",
                   [line for line in log.splitlines() if " error " in line][:5])

    # The same from an installed tree, in a folder that has nothing to do with either
    build = os.environ.get("BUILD")
    if build:
        done = subprocess.run(["cmake", "--install", build, "--prefix", "prefix"],
                              capture_output=True, text=True, check=False)
        check.that(done.returncode == 0, "it can be installed", done)
        os.mkdir("elsewhere")
        installed = os.path.abspath("prefix/bin/haggle")
        os.chdir("elsewhere")
        totals(check, check.haggle("demo", "--seconds", "5", "--json", "--data", "market",
                                   binary=installed), "installed")
