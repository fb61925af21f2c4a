#!/usr/bin/env python3
# timeout: 120
# waits
"""Half a minute of steady traffic: neither memory nor descriptors grow; idle, a host does next to
nothing."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, Checks  # noqa: E402

WARM_S, SOAK_S, IDLE_S = 15, 30, 10

# Rounds of question and answer, one message and one suspended ask side by side.
TALKER = """
agent.on_start(function(reason)
  if reason == "created" then state.rounds, state.failed = 0, 0 end
end)
agent.on("talk/1.0/begin", function(message)
  state.to = message.body.to
  message:reply("began", {})
end)
agent.on("talk/1.0/halt", function(message)
  state.to = nil
  message:reply("halted", {})
end)
agent.every("round", "20ms", function()
  if not state.to then return end
  for _ = 1, 6 do agent.send(state.to, "talk/1.0/word", { text = "some words to say" }) end
  local answer, _, code = agent.ask(state.to, "talk/1.0/ask", { text = "?" }, { within = "10s" })
  if answer then state.rounds = state.rounds + 1
  else state.failed, state.code = state.failed + 1, code end
end)
agent.on("talk/1.0/heard", function() end)
agent.on("talk/1.0/report", function(message)
  message:reply("is", { rounds = state.rounds, failed = state.failed, code = state.code })
end)
"""
LISTENER = """
agent.on("talk/1.0/word", function(message)
  state.words = (state.words or 0) + 1
  message:reply("heard", {})
end)
agent.on("talk/1.0/ask", function(message) message:reply("answer", {}) end)
"""

with Checks() as check:
    check.script("talker.lua", TALKER)
    check.script("listener.lua", LISTENER)
    b = check.host("b", ["listener.lua"], binary=HAGGLE_RELEASE)
    a = check.host("a", ["talker.lua"], binary=HAGGLE_RELEASE, join=b.url)
    hosts = (a, b)

    check.script("quiet.lua", 'agent.on("talk/1.0/word", function() end)')
    quiet = check.host("quiet", ["quiet.lua"], binary=HAGGLE_RELEASE, join=b.url)
    check.eventually(lambda: a.linked(b.did) and quiet.linked(b.did), "they are linked")
    time.sleep(2)
    idle = (b, quiet)
    before = [host.cpu_s() for host in idle]
    time.sleep(IDLE_S)
    for host, cpu in zip(idle, before):
        used = (host.cpu_s() - cpu) / IDLE_S
        print(f"{host.name}: {100 * used:.2f} % of a core when idle", flush=True)
        check.that(used < 0.02, f"{host.name}: an idle host takes no time", f"{100 * used:.1f} %")

    a.ask("talker", "talk/1.0/begin", {"to": f"{b.agents['listener']}@{b.did}"})
    time.sleep(WARM_S)
    memory = [host.memory_kib() for host in hosts]
    descriptors = [host.descriptors() for host in hosts]
    rounds = a.body("talker", "talk/1.0/report")["rounds"]
    time.sleep(SOAK_S)
    report = a.body("talker", "talk/1.0/report")
    check.that(report["rounds"] > rounds + SOAK_S * 5, "traffic was steady", (rounds, report))
    check.that(report["failed"] == 0, "no question stayed unanswered", report)
    for host, kib, count in zip(hosts, memory, descriptors):
        grown = host.memory_kib() - kib
        print(f"{host.name}: {kib} KiB and {grown:+} in {SOAK_S} s", flush=True)
        check.that(grown < 3000, f"{host.name}: memory does not grow", f"{kib} {grown:+} KiB")
        # The connection of the last question may not have been closed yet.
        check.eventually(lambda host=host, count=count: host.descriptors() <= count,
                         f"{host.name}: nor descriptors", seconds=5,
                         detail=lambda host=host, count=count: (count, host.descriptors()))
    print(f"{report['rounds']} rounds of 7 messages and 7 answers", flush=True)
    a.ask("talker", "talk/1.0/halt", {})
    check.stop_all()
