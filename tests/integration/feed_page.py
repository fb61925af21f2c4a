#!/usr/bin/env python3
"""Every example of FEED.md is asked of a host, and told with the fields that stand there; and what the page
promises of all topics: who does not read is skipped ahead, equal subscriptions are told the same, what was
wrong is told in words. Then haggle top, which shows the same to people."""

import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import TREE, Checks, Control  # noqa: E402

KIOSK = """
agent.describe { name = "kiosk", version = 1, about = "Says it <img onerror=alert(1)> again" }
agent.protocol { name = "echo", version = "1.0", messages = {
  say = { body = { text = "string" }, replies = { "said" } },
  said = { body = { text = "string" } },
} }
agent.offer { service = "echo", protocol = "echo/1.0" }
agent.on("echo/1.0/say", function(message)
  state.times = (state.times or 0) + 1
  log.info("opened", { times = state.times })
  message:reply("said", { text = message.body.text })
end)
agent.on("bad/1.0/say", function() error "never" end)
agent.on("flood/1.0/go", function(message)
  for _ = 1, message.body.count do agent.send("kiosk", "flood/1.0/drop", {}) end
end)
agent.on("flood/1.0/drop", function() end)
agent.on("deal/1.0/make", function(message)
  agent.deal { id = message.id, service = "telemetry.cpu", price = 4, rounds = 3, role = "seller",
    counterparty = message.from, status = "delivered", messages = { message.id } }
  message:reply("made", { deal = message.id })
end)
"""
# What an event of the page has and this host's has not: no model, no failed dialogue with such words.
RARE = {"dialogues": {"cause"}, "network": set(), "messages": set()}


def examples():
    """(request, [event, …]) of each that subscribes to something."""
    with open(os.path.join(TREE, "runtime/dashboard/FEED.md"), encoding="utf-8") as file:
        blocks = re.findall(r"^```\n(→ .*?)^```$", file.read(), re.M | re.S)
    for block in blocks[1:]:
        lines = block.splitlines()
        yield json.loads(lines[0][2:]), [line[2:] for line in lines[1:]]


def fields(text):
    return set(re.findall(r'"(\w+)":', text))


class Viewer:
    """A connection to the control socket that subscribes."""

    def __init__(self, host, timeout=20):
        self.control = Control(host.data, timeout)
        self.events = []

    def subscribe(self, topic, as_="x", **arguments):
        self.control.send(call="subscribe", topic=topic, **{"as": as_}, **arguments)
        while True:
            message = self.control.next()
            if "event" not in message:
                return message
            self.events.append(message)

    def event(self):
        return self.events.pop(0) if self.events else self.control.next()

    def until(self, test, seconds=20):
        """The first event for which the test holds, or None."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            event = self.event()
            if test(event):
                return event
        return None

    def close(self):
        self.control.close()


def ask_example(check, host, request, pages, thread):
    viewer, topic = Viewer(host), request["topic"]
    if topic == "dialogue":
        request.update(agent="kiosk", thid=thread)
    if topic == "dialogues":
        request.pop("state", None)
    name = request.pop("as")
    del request["call"]
    answer = viewer.subscribe(request.pop("topic"), name, **request)
    check.that(answer["ok"], f"{topic} can be subscribed to", answer)
    for page in pages:
        if "messages" in page and topic == "messages" and '"whole"' not in page:
            host.ask("kiosk", "echo/1.0/say", {"text": "once more"})
        event = viewer.event()
        lacking = fields(page) - fields(json.dumps(event)) - RARE.get(topic, set())
        check.that(not lacking, f"{topic} tells the fields that the page shows", (lacking, event))
        check.that(event["as"] == name and event["event"] == topic, f"{topic} says whose it is", event)
        check.that(event.get("whole", False) == ('"whole":true' in page), f"{topic} is whole, or not", event)
    viewer.close()


def skip_ahead(check, host):
    """One that does not read for a while: it is told less than others, and the whole first."""
    slow, quick = Viewer(host), Viewer(host)
    for viewer in slow, quick:
        viewer.subscribe("messages", "m", what="sent")
        viewer.subscribe("network", "n")
        viewer.event()
    seen, deadline = 0, time.monotonic() + 20
    while seen < 3 and time.monotonic() < deadline:
        host.call("send", to="kiosk", type="flood/1.0/go", body={"count": 2000})
        seen += quick.event()["event"] == "messages"
    check.that(seen == 3, "one that reads is told all the time", seen)
    # All that was said before may have been told already.
    host.call("send", to="kiosk", type="flood/1.0/go", body={"count": 2000})
    told = quick.until(lambda event: event["event"] == "messages" and event.get("skipped", 0) > 100)
    check.that(told and len(told["messages"]) <= 50, "of many messages some are shown", told and told["skipped"])
    again = slow.until(lambda event: event["event"] == "messages", 10)
    check.that(again is not None, "one that did not read goes on", again)
    slow.close()
    quick.close()


def refuse(check, host):
    viewer = Viewer(host)
    for arguments, words in (({"topic": "none"}, "known: overview, "), ({"topic": "agents", "sort": "x"}, "known: name"),
                             ({"topic": "agent", "name": "nobody"}, "no agent nobody"),
                             ({"topic": "overview", "histroy": 1}, "it has history"),
                             ({"topic": "agents", "every_ms": 1}, "from 100 to 60000")):
        answer = viewer.subscribe(arguments.pop("topic"), **arguments)
        check.that(not answer["ok"] and words in answer["error"]["message"], f"refused with words: {words}", answer)
    viewer.close()


def show_top(check, host):
    lines = subprocess.Popen([check.binary, "top", "--data", host.data], stdout=subprocess.PIPE, text=True)
    line = lines.stdout.readline()
    check.that("handled " in line and " alarms " in line, "haggle top writes lines into a pipe", line)
    lines.terminate()
    lines.wait()
    lines.stdout.close()
    events = subprocess.Popen([check.binary, "top", "--data", host.data, "--json"], stdout=subprocess.PIPE,
                              text=True)
    kinds = {json.loads(events.stdout.readline())["event"] for _ in range(3)}
    check.that(kinds == {"overview", "agents"}, "and, as JSON, the events of the feed", kinds)
    events.stdout.close()  # it notices with its next line, and that is no failure
    check.that(events.wait(10) == 0, "whoever reads it may leave", events.returncode)


with Checks() as check:
    from hosts import HAGGLE
    check.binary = HAGGLE
    check.script("kiosk.lua", KIOSK)
    host = check.host("one", ["kiosk.lua"])
    other = check.host("two", join=host.url)
    check.eventually(lambda: host.linked(other.did), "two hosts are linked")
    host.ask("kiosk", "echo/1.0/say", {"text": "hello"})
    host.body("kiosk", "deal/1.0/make")
    host.call("send", to="kiosk", type="bad/1.0/say", body={})
    check.eventually(lambda: host.call("dead.list"), "something went wrong")
    thread = check.eventually(lambda: host.call("dialogues", agent="kiosk")["dialogues"], "there are dialogues")
    time.sleep(1.1)  # a sample
    topics = [request["topic"] for request, _ in examples()]
    check.that(len(topics) == len(set(topics)) == 11, "each topic has an example", topics)
    for request, pages in examples():
        ask_example(check, host, request, pages, thread[0]["thid"])
    viewer = Viewer(host)
    viewer.subscribe("overview", "o")
    alarms = viewer.event()["alarms"]
    check.that([alarm["what"] for alarm in alarms] == ["dead_letters"], "an alarm says that letters are dead", alarms)
    begun = time.monotonic()
    host.ask("kiosk", "echo/1.0/say", {"text": "hello"})
    told = viewer.until(lambda event: any(sample["handled"] for sample in event["samples"]))
    check.that(told and time.monotonic() - begun < 2.5, "what happens shows within about a second", told)
    viewer.close()
    refuse(check, host)
    skip_ahead(check, host)
    show_top(check, host)
    check.stop_all()
