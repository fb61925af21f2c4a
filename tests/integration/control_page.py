#!/usr/bin/env python3
"""Every example of CONTROL.md is asked of a host, in the order of the page, and answered with the fields
that stand there. Names of rows, deals and files are those of this host."""

import json
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import TREE, Checks, Control, Refused  # noqa: E402

KIOSK = """
agent.protocol { name = "echo", version = "1.0", messages = {
  say = { body = { text = "string" }, replies = { "said" } },
  said = { body = { text = "string", times = "integer" } },
} }
agent.offer { service = "echo", protocol = "echo/1.0" }
agent.on("echo/1.0/say", function(message)
  state.times = (state.times or 0) + 1
  log.info "opened"
  message:reply("said", { text = message.body.text, times = state.times })
end)
agent.on("bad/1.0/say", function() error "never" end)
agent.on("walk/1.0/go", function() agent.sleep "1h" end)
agent.on("deal/1.0/make", function(message)
  agent.keep(message)
  agent.deal { id = message.id, service = "telemetry.cpu", price = 4, rounds = 3, role = "seller",
    counterparty = message.from, status = "delivered", messages = { message.id } }
  message:reply("made", { deal = message.id })
end)
"""
# What an answer has only sometimes: `why` of a run that is parked.
RARE = {"runs.list": {"why"}}


def examples():
    with open(os.path.join(TREE, "runtime/host/CONTROL.md"), encoding="utf-8") as file:
        return re.findall(r"^→ (.*)\n← (.*)$", file.read(), re.M)


def fields(text):
    return set(re.findall(r'"(\w+)":', text))


class Substitutes:
    """The page's rows, deals and files, as they are called here."""

    def __init__(self, host, deal):
        dead = [letter["row"] for letter in host.call("dead.list")]
        runs = [run["row"] for run in host.call("runs.list")]
        self.rows = {"dead.show": dead[0], "dead.resend": dead[0], "dead.drop": dead[1],
                     "runs.show": runs[0], "runs.retry": runs[0], "runs.finish": runs[0]}
        self.deal, self.next = deal, None
        self.thread = host.call("dialogues", state="failed")["dialogues"][0]["thid"]

    def apply(self, request):
        if "row" in request:
            request["row"] = self.rows.get(request["call"], 999)
        if request["call"] == "export":
            request["of"] = self.deal[:4]
        if request["call"] == "message":
            request["of"] = self.deal
        if request["call"] == "dialogue":
            request["thid"] = self.thread
        if request["call"] == "backup":
            request["to"] = os.path.abspath("monday")
        if request["call"] == "agent.add":
            request["agent"]["script"] = os.path.abspath("bot.lua")
        if "cursor" in request:
            request["cursor"] = self.next
        return request


def compare(check, request, page, answer):
    call = request["call"]
    if call == "runs.retry" and not answer["ok"]:
        check.that(answer["error"]["code"] == "invalid", "a run that only waits is not tried", answer)
        return
    check.that(answer["ok"] == ('"ok":true' in page), f"{call} is answered as the page says", (page, answer))
    if not answer["ok"]:
        code = re.search(r'"code":"(\w+)"', page).group(1)
        check.that(answer["error"]["code"] == code, f"{call}: {code}", answer)
    elif answer["result"] != []:
        lacking = fields(page) - fields(json.dumps(answer)) - RARE.get(call, set())
        check.that(not lacking, f"{call} has the fields that the page shows", (lacking, answer))


def tail(check, host):
    """The last example: events follow the answer."""
    text = next(text for text, page in examples() if '"tail"' in text)
    control = Control(host.data)
    control.call(**json.loads(text))
    host.ask("kiosk", "echo/1.0/say", {"text": "x"})
    event = control.next()
    check.that({"event", "agent", "level", "text", "time_ms"} <= set(event), "tail tells", event)
    control.close()


def code_of(host, call, **arguments):
    try:
        host.call(call, **arguments)
    except Refused as failed:
        return failed.code
    return None


with Checks() as check:
    check.script("kiosk.lua", KIOSK)
    check.script("bot.lua", 'agent.on("bot/1.0/x", function() end)')
    host = check.host("one", ["kiosk.lua"])
    other = check.host("two", join=host.url)
    deal = host.body("kiosk", "deal/1.0/make")["deal"]
    for _ in range(2):
        host.call("send", to="kiosk", type="bad/1.0/say", body={})
    host.call("send", to="kiosk", type="walk/1.0/go", body={})
    check.eventually(lambda: len(host.call("dead.list")) == 2, "there are two dead letters")
    check.eventually(lambda: len(host.call("runs.list")) == 1, "and a handler that waits")
    check.eventually(lambda: host.linked(other.did), "and a peer")
    newest = host.call("dead.list", agent="kiosk", newest=True)
    check.that(newest[::-1] == host.call("dead.list"), "all of kiosk's, the newest first")
    check.that(host.call("dead.list", agent="bot") == [], "none of another's")
    check.that(len(host.call("runs.list", agent="kiosk")) == 1, "likewise of handlers")
    check.that(host.call("runs.list", agent="bot") == [], "and none of another's")
    for call, words in (("dead.list", {"newest": 1}), ("runs.list", {"newest": True}),
                        ("dead.list", {"agent": 7})):
        check.that(code_of(host, call, **words) == "invalid", f"{call} with {words} is refused")
    substitutes, control, paused = Substitutes(host, deal), Control(host.data), False
    for text, page in examples():
        request = substitutes.apply(json.loads(text))
        if request["call"] == "tail":
            continue
        if request["call"] == "stop":
            tail(check, host)
        if request["call"] == "ask" and paused:
            host.call("agent.resume", name="kiosk")
        control.send(**request)
        answer = control.next()
        paused = paused or request["call"] == "agent.pause"
        substitutes.next = answer.get("next", substitutes.next)
        compare(check, request, page, answer)
    check.that(len(examples()) > 25, "the page has examples")
    check.that(host.wait() == 0, "stop stops")
    check.stop_all()
