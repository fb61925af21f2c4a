#!/usr/bin/env python3
# timeout: 300
# waits
"""Two hosts whose handlers ask each other and sleep are killed at random moments. In the end each
handler has come to its end exactly once, each of its steps has taken effect once on either side, and
what it held in its variables agreed at every step with what it had written down."""

import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import KILLED, Checks  # noqa: E402

KILLS = int(os.environ.get("KILLS", "14"))
SECONDS = 60  # of killing, at most, unless KILLS says otherwise
WALKS = 25    # handlers on each host
STEPS = 10    # of each
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)

WALKER = """
local haggle = require "haggle"
agent.on_start(function(reason)
  if reason == "created" then
    state.begun, state.ended, state.steps, state.wrong, state.walks = 0, 0, 0, {}, {}
  end
end)

local function check(walk, what, mine, written)
  if mine == written then return end
  state.wrong[#state.wrong + 1] = { walk = walk, what = what, mine = tostring(mine) }
end

agent.on("walk/1.0/go", function(message)
  local n, to = message.body.n, message.body.to
  state.begun = state.begun + 1
  state.walks[#state.walks + 1] = { sum = 0, n = n }
  local mine, sum, started = state.walks[#state.walks], 0, haggle.now()
  mine.started = started
  for step = 1, message.body.steps do
    local stamp, others = haggle.id(), state.steps
    mine.stamp, mine.others = stamp, others
    local reply, why, code = agent.ask(to, "stall/1.0/pay", { n = n, step = step, stamp = stamp },
      { within = "10m" })
    check(n, "reply", reply and reply.body.stamp or code, stamp)
    check(n, "stamp", mine.stamp, stamp)
    check(n, "others", mine.others, others)
    sum = sum + step
    mine.sum = mine.sum + step
    check(n, "sum", sum, mine.sum)
    agent.exclusive("steps", function()
      local before = state.steps
      agent.sleep(math.random(1, 8))
      check(n, "alone", state.steps, before)
      state.steps = before + 1
    end)
    agent.sleep(math.random(1, 1200))
  end
  check(n, "started", mine.started, started)
  state.ended = state.ended + 1
  for i, walk in ipairs(state.walks) do
    if walk == mine then return table.remove(state.walks, i) end
  end
  error("its table is not there")
end)

agent.every("shuffle", "300ms", function()
  table.sort(state.walks, function(a, b) return a.sum < b.sum end)
end)

agent.on("walk/1.0/report", function(message)
  message:reply("reported", { begun = state.begun, ended = state.ended, steps = state.steps,
    wrong = #state.wrong, first_wrong = state.wrong[1] })
end)
"""

STALL = """
agent.on_start(function(reason) if reason == "created" then state.paid = 0 end end)
agent.on("stall/1.0/pay", function(message)
  state.paid = state.paid + message.body.step
  if message.body.step % 3 == 0 then agent.sleep(message.body.n * 7) end
  message:reply("paid", { stamp = message.body.stamp })
end)
agent.on("stall/1.0/report", function(message)
  message:reply("reported", { paid = state.paid })
end)
"""

with Checks() as check:
    print(f"SEED={SEED} KILLS={KILLS}", flush=True)
    chance = random.Random(SEED)
    check.script("walker.lua", WALKER)
    check.script("stall.lua", STALL)
    first = check.host("first", ["walker.lua", "stall.lua"])
    second = check.host("second", ["walker.lua", "stall.lua"], join=first.url)
    for host, other in ((first, second), (second, first)):
        for n in range(1, WALKS + 1):
            host.call("send", to="walker", type="walk/1.0/go",
                      body={"n": n, "steps": STEPS, "to": f"{other.agents['stall']}@{other.did}"})

    kills = {"first": 0, "second": 0, "starting": 0}
    until = time.monotonic() + max(SECONDS, 4 * KILLS)
    while sum(kills.values()) < KILLS and time.monotonic() < until:
        time.sleep(chance.uniform(0.05, 1.5))
        victim = chance.choice([first, second])
        check.that(victim.kill() in KILLED, f"{victim.name} ran until it was killed",
                   victim.said()[-1500:])
        kills[victim.name] += 1
        if chance.random() < 0.2:  # once more, while it starts
            victim.launch()
            time.sleep(chance.uniform(0, 0.5))
            check.that(victim.kill() in KILLED, f"{victim.name} was starting until it was killed",
                       victim.said()[-1500:])
            kills["starting"] += 1
        victim.start()
    print(f"kills: {kills}", flush=True)

    def report(host):
        return host.body("walker", "walk/1.0/report")

    for host in (first, second):  # both, before either is asked what the other's have paid
        check.eventually(lambda: report(host)["ended"] == WALKS, f"{host.name}: every handler ends",
                         seconds=90, detail=lambda: (report(host), host.call("runs.list")[:3]))
    for host in (first, second):
        got = report(host)
        check.that(got["begun"] == WALKS and got["ended"] == WALKS, "each began and ended once", got)
        check.that(got["steps"] == WALKS * STEPS, "each step took effect once", got)
        check.that(got["wrong"] == 0, "what handlers knew agreed with what they wrote", got)
        paid = host.body("stall", "stall/1.0/report")["paid"]
        check.that(paid == WALKS * STEPS * (STEPS + 1) // 2, "each payment took effect once", paid)
        check.eventually(lambda: host.call("runs.list") == [], "nothing is suspended in the end")
        check.that(host.call("dead.list") == [], "no dead letters", host.call("dead.list"))
    check.stop_all()
