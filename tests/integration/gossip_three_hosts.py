#!/usr/bin/env python3
# timeout: 150
"""Three hosts in a line, A–B and B–C: what A offers is found at C, asked there, and gone after A has
withdrawn it."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import Checks, Refused  # noqa: E402

GREETER = """
agent.offer { service = "greeting", protocol = "greet/1.0", price = 2, region = "at" }
agent.on("greet/1.0/hello", function(message)
  message:reply("hello", { text = "hello, " .. message.body.name })
end)
"""
SECOND = """
agent.offer { service = "second", price = 3 }
agent.on("second/1.0/ping", function(message) message:reply("pong", {}) end)
"""
# Asks whoever offers a service, as agents do it.
SEEKER = """
agent.on("seek/1.0/greeting", function(message)
  local offers = agent.find { service = "greeting" }
  if #offers == 0 then return message:refuse("nobody greets", "no_offer") end
  local answer, why, code = agent.ask(offers[1].agent, "greet/1.0/hello", { name = "c" },
    { within = "10s" })
  if not answer then return message:refuse(why, code) end
  message:reply("found", { text = answer.body.text, host = offers[1].host })
end)
"""

with Checks() as check:
    check.script("greeter.lua", GREETER)
    check.script("second.lua", SECOND)
    check.script("seeker.lua", SEEKER)
    a = check.host("a", ["greeter.lua", "second.lua"])
    b = check.host("b", join=a.url)
    c = check.host("c", ["seeker.lua"], join=b.url)

    found = check.eventually(lambda: c.call("find", query="service=greeting price<=2"),
                             "C finds the offer of A")
    check.that(found and found[0]["agent"] == a.agents["greeter"] and found[0]["host"] == a.did,
               "the offer names the agent and its host", found)
    check.that(c.call("find", query="service=greeting price<2") == [], "the query is heeded")
    told = check.haggle("find", "service=greeting", "--data", "c", "--json")
    check.says(a.agents["greeter"], told.stdout, "haggle find --json")

    answer = check.eventually(
        lambda: c.ask(a.agents["greeter"], "greet/1.0/hello", {"name": "x"})["body"],
        "C asks the agent at A", seconds=40)
    check.that(answer == {"text": "hello, x"}, "and gets its answer", answer)
    check.that(c.linked(a.did), "C has dialled A by itself", c.call("peers"))
    answer = c.body("seeker", "seek/1.0/greeting")
    check.that(answer == {"text": "hello, c", "host": a.did}, "an agent finds and asks alike", answer)
    check.eventually(lambda: {peer["did"] for peer in b.call("peers") if peer["linked"]}
                     >= {a.did, c.did}, "B is linked with both")
    told = check.haggle("peers", "--data", "c")
    check.says(b.did, told.stdout, "haggle peers")

    # B goes: A and C know each other by now.
    b.kill()
    answer = check.eventually(
        lambda: c.ask(a.agents["greeter"], "greet/1.0/hello", {"name": "y"})["body"],
        "C reaches A without B")
    check.that(answer == {"text": "hello, y"}, "and gets its answer without B", answer)
    b.start()

    # Withdrawn: A starts again without the second agent.
    check.eventually(lambda: c.call("find", query="service=second"), "C knows the second offer")
    check.that(a.stop() == 0, "A stops")
    a.scripts = ["greeter.lua"]
    a.start()
    check.eventually(lambda: not a.call("find", query="service=second"),
                     "A itself no longer offers what was withdrawn", seconds=10)
    check.eventually(lambda: not c.call("find", query="service=second"),
                     "C no longer finds what was withdrawn",
                     detail=lambda: c.call("find", query="service=second"))
    check.eventually(lambda: not b.call("find", query="service=second"),
                     "nor does B", detail=lambda: b.call("find", query="service=second"))
    check.eventually(lambda: c.call("find", query="service=greeting"), "the other offer is still there")
    try:
        c.ask(f"{'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK'}@{a.did}",
              "second/1.0/ping", {}, within_ms=10000)
        check.that(False, "an agent that is not there is refused")
    except Refused as refused:
        check.that(refused.code in ("not_here", "undeliverable"), "an agent that is not there",
                   refused)

    # And back again, at a higher version.
    check.that(a.stop() == 0, "A stops again")
    a.scripts = ["greeter.lua", "second.lua"]
    a.start()
    check.eventually(lambda: c.call("find", query="service=second"), "C finds what came back")
    answer = check.eventually(
        lambda: c.ask(a.agents["second"], "second/1.0/ping", {}), "and reaches it")
    check.stop_all()
