#!/usr/bin/env python3
# waits
"""A host as a service: what it tells the service manager, what SIGHUP takes over of its host file, and
its log as JSON, by levels, rotated and opened again."""

import json
import os
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import Checks  # noqa: E402

NOTES = """
local words = require "words"
agent.on_start(function(reason) log.info("begins", { reason = reason }) end)
agent.on("notes/1.0/put", function(message) state.count = (state.count or 0) + 1 end)
agent.on("notes/1.0/count", function(message)
  log.debug "asked"
  log.info("evil \\27[2J\\nline", { text = "\\n\\27" })
  message:reply("is", { count = state.count or 0, word = words.word, region = agent.config.region })
end)
"""

HOST = """return {{
  {top}
  log = {{ format = "json", file = "host.log", level = "info", agents = {{ {levels} }} }},
  agents = {{ {agents} }},
}}
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def host_file(agents, top="", levels=""):
    write("host.lua.new", HOST.format(agents=agents, top=top, levels=levels))
    os.rename("host.lua.new", "host.lua")


def entry(name, script="notes.lua", region="at", more=""):
    return (f'{{ name = "{name}", script = "{script}", config = {{ region = "{region}" }}, {more} }},')


def lines(path="host.log"):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file.read().split("\n")[:-1]]


def logged(text, path="host.log"):
    return [line for line in lines(path) if text in line["text"]]


class Manager:
    """The end of systemd that a service talks to."""

    def __init__(self):
        self.name = f"haggle-test-{os.getpid()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name)
        self.heard = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.heard.append(self.socket.recv(4096).decode())

    def wait(self, text, since=0):
        """The messages from the given one on, once one of them holds the text."""
        deadline = time.monotonic() + 30
        while not any(text in message for message in self.heard[since:]):
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        return self.heard[since:]


def hang_up(check, host, text, what):
    """Sends SIGHUP and waits for a new line that holds the text; the lines since then."""
    before = len(lines())
    host.signal(signal.SIGHUP)
    check.eventually(lambda: any(text in line["text"] for line in lines()[before:]), what,
                     detail=lambda: lines()[before:] or "nothing")
    return " ".join(line["text"] for line in lines()[before:])


def notifications(check, manager, host):
    said = manager.wait("READY=1")
    check.that(said and host.url in said[0], "READY=1 comes with where it serves", said)
    since = len(manager.heard)
    check.that(manager.wait("WATCHDOG=1", since), "an idle host gives signs of life")
    check.that(manager.wait("WATCHDOG=1", len(manager.heard)), "again and again")
    since = len(manager.heard)
    host.signal(signal.SIGHUP)
    said = manager.wait("READY=1", since)
    check.that(said and any("RELOADING=1\nMONOTONIC_USEC=" in message for message in said),
               "a reload is told of", said)


def stuck(check, manager, host):
    """A process that stands still gives no sign of life, which is what the watchdog is for."""
    host.signal(signal.SIGSTOP)
    time.sleep(0.2)
    since = len(manager.heard)
    time.sleep(1.5)
    check.that(len(manager.heard) == since, "no sign of life of what is stuck", manager.heard[since:])
    host.signal(signal.SIGCONT)
    check.that(manager.wait("WATCHDOG=1", since), "one that goes on gives them again")


def json_log(check, host):
    line = (logged("begins") or [{}])[0]
    check.that(line.get("agent") == "a" and line.get("fields") == {"reason": "created"} and
               line.get("level") == "info" and line.get("time", "").endswith("Z"),
               "an agent's line has its fields", line)
    host.ask("a", "notes/1.0/count")
    line = check.eventually(lambda: (logged("evil") or [None])[0], "hostile text is a line") or {}
    check.that(line.get("text") == "evil \x1b[2J\nline" and
               line.get("fields") == {"text": "\n\x1b"}, "which holds what was said", line)
    with open("host.log", "rb") as file:
        check.that(b"\x1b" not in file.read(), "without a control character in the file")


def levels(check, host):
    check.that(not logged("asked"), "debug lines are left out")
    done = check.haggle("log", "a", "debug", "--data", host.data)
    check.that(done.returncode == 0 and "debug" in done.stdout, "a level is set", done)
    host.ask("a", "notes/1.0/count")
    check.eventually(lambda: logged("asked"), "then debug lines of this agent are there")
    check.that(not [line for line in lines() if line["level"] == "debug" and "module" in line],
               "and none of the host")
    done = check.haggle("log", "a", "default", "--data", host.data)
    count = len(logged("asked"))
    host.ask("a", "notes/1.0/count")
    check.that(done.returncode == 0 and len(logged("asked")) == count, "and is taken back", done)
    for words in (["loud"], ["a", "loud"], ["default"], ["a", "debug", "x"]):
        done = check.haggle("log", *words, "--data", host.data)
        check.that(done.returncode == 2, f"haggle log {words} is refused", done)
    done = check.haggle("log", "--json", "--data", host.data)
    check.that(json.loads(done.stdout) == {"level": "info", "agents": {}}, "levels as JSON", done)


def take_over(check, host):
    for _ in range(3):
        host.call("send", to="a", type="notes/1.0/put", body={})
    check.eventually(lambda: host.body("a", "notes/1.0/count")["count"] == 3, "three are counted")
    said = hang_up(check, host, "read again", "the host file is read again")
    check.that("nothing differs" in said, "and does not differ", said)

    # one more, one less, one with another configuration
    host_file(entry("a", region="de") + entry("c") + '{ name = "m", script = "notes.lua", count = 3, '
              'config = { region = "m" } },', levels='c = "debug"')
    said = hang_up(check, host, "read again", "changes are taken over")
    check.says("4 agents added, 1 changed, 1 removed, 0 failed", said, "and counted")
    check.says("agent b is removed", said, "what is gone is named")
    check.eventually(lambda: host.body("a", "notes/1.0/count")["region"] == "de",
                     "a changed agent has its new configuration")
    check.that(host.body("a", "notes/1.0/count")["count"] == 3, "and its state")
    check.that(host.body("m-3", "notes/1.0/count")["region"] == "m", "instances come")
    names = {agent["name"] for agent in host.call("agents")}
    check.that(names == {"a", "c", "m-1", "m-2", "m-3", "operator"}, "the agents are those of the file",
               names)
    check.that(host.call("log")["agents"] == {"c": "debug"}, "levels are taken over")

    # a module alone has changed; an agent that is paused stays so
    host.call("agent.pause", name="m-2")
    write("words.lua", 'return { word = "second" }')
    said = hang_up(check, host, "read again", "a changed module is seen")
    check.says("5 changed", said, "by all that load it")
    check.eventually(lambda: host.body("c", "notes/1.0/count")["word"] == "second", "and is run")
    paused = next(agent for agent in host.call("agents") if agent["name"] == "m-2")
    check.that(paused["status"] == "paused", "a paused agent stays so", paused)
    host.call("agent.resume", name="m-2")

    # what only counts at a start is named
    host_file(entry("a", region="de") + entry("c"), levels='c = "debug"',
              top='grace = "7s", durability = "relaxed 50ms", join = { "ws://127.0.0.1:1" },')
    said = hang_up(check, host, "read again", "other keys are compared")
    check.says("durability has changed: that counts from the next start on", said, "durability")
    check.says("the grace time is taken over", said, "grace")
    check.says("joins ws://127.0.0.1:1", said, "join")

    # what comes back finds its state
    host_file(entry("b") + entry("a", region="de", more='limits = { mailbox = 7 }'))
    said = hang_up(check, host, "read again", "a removed agent comes back")
    check.says("1 agents added, 1 changed, 1 removed, 0 failed", said, "with another changed")


def refuse(check, host):
    with open("host.lua", encoding="utf-8") as file:
        good = file.read()
    write("host.lua", "return { agents = 5 ")
    said = hang_up(check, host, "everything stays", "a host file that does not parse is refused")
    check.says("host.lua", said, "and named")
    write("host.lua", 'return { agnts = {} }')
    said = hang_up(check, host, "everything stays", "an unknown key, too")
    check.says("agents?", said, "with what was meant")
    write("host.lua", good)
    write("broken.lua", "this is no Lua")
    host_file(entry("b", script="broken.lua") + entry("a", region="de") + entry("d", script="none.lua"))
    said = hang_up(check, host, "read again", "scripts that do not load")
    check.says("agent b stays as it is", said, "are named")
    check.says("agent d stays as it is", said, "and those that are not there")
    check.says("2 failed", said, "and counted")
    check.that(host.body("b", "notes/1.0/count")["word"] == "second", "the agent goes on as it was")


def files(check, host):
    os.rename("host.log", "moved.log")
    hang_up_count = len(lines("moved.log"))
    host.signal(signal.SIGHUP)
    check.eventually(lambda: os.path.exists("host.log") and logged("read again"),
                     "a log that was moved away is opened again")
    check.that(len(lines("moved.log")) == hang_up_count, "the old one is at its end")


def options_alone(check):
    """A host without a host file outlives the terminal that closes, and reads nothing again."""
    write("alone.lua", 'agent.on("x/1.0/ask", function(m) m:reply("is", { n = 1 }) end)')
    host = check.host("alone", ["alone.lua"], options=["--log", "json", "--log-level", "alone=debug"])
    write("alone.lua", "broken")
    host.signal(signal.SIGHUP)
    check.that(host.body("alone", "x/1.0/ask")["n"] == 1, "it goes on")
    check.that(host.call("log")["agents"] == {"alone": "debug"}, "--log-level is for one agent")
    check.that(host.stop() == 0, "and ends well")
    check.that(all(json.loads(line)["module"] for line in host.said().splitlines()),
               "--log json is for standard error", host.said())
    for option in (["--log", "xml"], ["--log-level", "loud"], ["--log-level", "a/b=debug"],
                   ["--log-file", "/nowhere/x.log"]):
        done = check.haggle("run", "alone.lua", "--data", "other", *option)
        check.that(done.returncode == 1 and done.stderr.startswith("haggle run:"),
                   f"{option} is refused", done)


def trust(check):
    """What a host file says counts for later dials, too, when the file was read again meanwhile."""
    write("alone.lua", 'agent.on("x/1.0/ask", function(m) m:reply("is", { n = 1 }) end)')
    there = check.host("there", ["alone.lua"], options=["--tls", "self-signed"])
    text = """return { %s trust = "there/tls-certificate.pem",
      agents = { { name = "alone", script = "alone.lua" } } }"""
    write("trusting.lua", text % "")
    host = check.host("trusting", options=["--config", "trusting.lua"])
    host.signal(signal.SIGHUP)
    check.eventually(lambda: "nothing differs" in host.said(), "its file is read again")
    write("trusting.lua", text % f'join = {{ "{there.url.partition("#")[0]}" }},')
    host.signal(signal.SIGHUP)
    check.eventually(lambda: host.call("peers"), "it joins a host whose certificate it trusts",
                     detail=host.said)
    check.that(host.stop() == 0 and there.stop() == 0, "and both end well")


def rotation(check):
    write("chatty.lua", """
agent.on("chatty/1.0/say", function(m)
  for i = 1, 50 do log.info(("x"):rep(1000)) end
  m:reply("said", {})
end)""")
    write("chatty-host.lua", """return { agents = { { name = "chatty", script = "chatty.lua",
      limits = { log_lines = 100000, log_bytes = "100MB" } } },
      log = { format = "json", file = "chatty.log", size = "64KB", keep = 2 } }""")
    host = check.host("chatty", options=["--config", "chatty-host.lua"])
    for _ in range(6):
        host.ask("chatty", "chatty/1.0/say")
    names = sorted(name for name in os.listdir(".") if name.startswith("chatty.log"))
    check.that(names == ["chatty.log", "chatty.log.1", "chatty.log.2"], "so many are kept", names)
    check.that(all(os.path.getsize(name) <= 65536 for name in names), "none is larger than it may be")
    check.that(all(lines(name) for name in names), "all hold whole lines")
    check.that(host.stop() == 0, "and it ends well")


def main():
    with Checks() as check:
        manager = Manager()
        write("words.lua", 'return { word = "first" }')
        write("notes.lua", NOTES)
        host_file(entry("a") + entry("b"))
        os.environ["NOTIFY_SOCKET"] = "@" + manager.name
        os.environ["WATCHDOG_USEC"] = "800000"
        host = check.host("one", options=["--config", "host.lua"])
        del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        notifications(check, manager, host)
        stuck(check, manager, host)
        json_log(check, host)
        levels(check, host)
        take_over(check, host)
        refuse(check, host)
        files(check, host)
        since = len(manager.heard)
        check.that(host.stop() == 0, "it ends well")
        check.that(manager.wait("STOPPING=1", since), "and says that it stops")
        options_alone(check)
        trust(check)
        rotation(check)
        check.stop_all()


main()
