#!/usr/bin/env python3
# timeout: 180
# waits
"""Two hosts exchange numbered messages while one or the other is killed at random moments. In the
end each message has taken effect exactly once and in order, at the peer and at an agent beside it,
and each answer has come back exactly once."""

import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import KILLED, Checks  # noqa: E402

KILLS = 24
SECONDS = 55  # of killing, at most
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)

SENDER = """
agent.on_start(function(reason)
  if reason == "created" then
    state.sent, state.answered, state.wrong, state.undelivered = 0, 0, {}, 0
  end
end)
agent.on("count/1.0/begin", function(message)
  state.to = message.body.to
  message:reply("began", {})
end)
agent.on("count/1.0/halt", function(message)
  state.to = nil
  message:reply("halted", { sent = state.sent })
end)
agent.every("burst", "30ms", function()
  if not state.to or state.sent - state.answered > 400 then return end
  for _ = 1, 7 do
    state.sent = state.sent + 1
    agent.send(state.to, "count/1.0/number", { n = state.sent })
  end
end)
agent.on("count/1.0/seen", function(message)
  if message.body.n ~= state.answered + 1 then
    state.wrong[#state.wrong + 1] = { got = message.body.n, after = state.answered }
  end
  state.answered = message.body.n
end)
agent.on_undelivered(function(message, why, code)
  state.undelivered = state.undelivered + 1
  log.error("undelivered", { why = why, code = code, type = message.type })
end)
agent.on("count/1.0/report", function(message)
  message:reply("reported", { sent = state.sent, answered = state.answered, wrong = #state.wrong,
    first_wrong = state.wrong[1], undelivered = state.undelivered })
end)
"""

# Counts what comes; `next` names an agent that is told of each number, too.
RECEIVER = """
agent.on_start(function(reason)
  if reason == "created" then state.last, state.count, state.wrong = 0, 0, {} end
end)
agent.on("count/1.0/number", function(message)
  local n = message.body.n
  if n ~= state.last + 1 then
    state.wrong[#state.wrong + 1] = { got = n, after = state.last }
  end
  state.last, state.count = n, state.count + 1
  if agent.name == "receiver" then
    agent.send("ledger", "count/1.0/number", { n = n })
    message:reply("seen", { n = n })
  end
end)
agent.on("count/1.0/report", function(message)
  message:reply("reported", { last = state.last, count = state.count, wrong = #state.wrong,
    first_wrong = state.wrong[1] })
end)
"""

with Checks() as check:
    print(f"SEED={SEED}", flush=True)
    chance = random.Random(SEED)
    check.script("sender.lua", SENDER)
    check.script("receiver.lua", RECEIVER)
    check.script("ledger.lua", RECEIVER)
    receiving = check.host("receiving", ["receiver.lua", "ledger.lua"])
    sending = check.host("sending", ["sender.lua"], join=receiving.url)
    sending.ask("sender", "count/1.0/begin",
                {"to": f"{receiving.agents['receiver']}@{receiving.did}"})

    kills = {"sending": 0, "receiving": 0, "starting": 0}
    until = time.monotonic() + SECONDS
    while sum(kills.values()) < KILLS and time.monotonic() < until:
        time.sleep(chance.uniform(0.05, 1.2))
        victim = chance.choice([sending, receiving])
        check.that(victim.kill() in KILLED, f"{victim.name} ran until it was killed",
                   victim.said()[-1500:])
        kills[victim.name] += 1
        if chance.random() < 0.2:  # once more, while it starts
            victim.launch()
            time.sleep(chance.uniform(0, 0.4))
            check.that(victim.kill() in KILLED, f"{victim.name} was starting until it was killed",
                       victim.said()[-1500:])
            kills["starting"] += 1
        victim.start()
    print(f"kills: {kills}", flush=True)

    def report(host, agent):
        return host.body(agent, "count/1.0/report")

    check.eventually(lambda: sending.linked(receiving.did), "they are linked in the end")
    sent = sending.body("sender", "count/1.0/halt")["sent"]
    check.that(sent > 500, "there was traffic worth the name", sent)
    check.eventually(lambda: report(sending, "sender")["answered"] == sent,
                     "every message is answered", seconds=40,
                     detail=lambda: (sent, report(sending, "sender"),
                                     report(receiving, "receiver")))
    sender = report(sending, "sender")
    check.that(sender["wrong"] == 0, "answers came once each and in order", sender)
    check.that(sender["undelivered"] == 0, "nothing was reported as undelivered", sender)
    for name in ("receiver", "ledger"):
        got = report(receiving, name)
        check.that(got["last"] == sent and got["count"] == sent,
                   f"{name}: each of {sent} messages took effect exactly once", got)
        check.that(got["wrong"] == 0, f"{name}: in order", got)
    check.that(receiving.call("dead.list") == [] and sending.call("dead.list") == [],
               "no dead letters")
    print(f"{sent} messages", flush=True)
    check.stop_all()
