#!/usr/bin/env python3
# timeout: 240
# waits
"""Agents of a running host: restarted, parked, paused, stopped, added and removed by the verbs, over
kill -9; and hosts that stop: drained on SIGTERM, at once when the grace time ends or on a second."""

import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import Checks, Refused  # noqa: E402

FLAKY = """
agent.on_start(function()
  if host.read(agent.config.path) ~= "good" then error "not good yet" end
end)
agent.on("flaky/1.0/ask", function(message) message:reply("is", { word = "mended" }) end)
"""

NOTES = """
agent.offer { service = "notes", word = agent.config and agent.config.word }
agent.on_start(function(reason) log.info("begins", { reason = reason }) end)
agent.on_stop(function() log.info "ends" end)
agent.on("notes/1.0/put", function(message)
  state.count = (state.count or 0) + 1
  state.size = (state.size or 0) + #(message.body.text or "")
end)
agent.on("notes/1.0/count", function(message)
  message:reply("is", { count = state.count or 0, size = state.size or 0, version = "VERSION" })
end)
"""

TALKER = """
agent.on("talker/1.0/load", function(message)
  local text = string.rep("x", 30000)
  for i = 1, message.body.count do
    agent.send(message.body.to, "notes/1.0/put", { text = text })
  end
end)
agent.on("talker/1.0/later", function(message) state.to = message.body.to end)
agent.on_stop(function() if state.to then agent.send(state.to, "notes/1.0/put", {}) end end)
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def agent_of(host, name):
    return next((a for a in host.call("agents") if a["name"] == name), None)


def status_of(host, name):
    agent = agent_of(host, name)
    return agent and agent["status"]


def count_of(host, name="notes"):
    return host.body(name, "notes/1.0/count")["count"]


def verb(check, host, *words, status=0, says=""):
    done = check.haggle("agent", *words, "--data", host.data)
    said = done.stdout + done.stderr
    check.that(done.returncode == status, f"agent {' '.join(words)}: status {status}",
               f"{done.returncode}: {said}")
    check.says(says, said, f"agent {' '.join(words)}")
    return said


def failing_agents(check):
    good = os.path.join(check.folder, "good")
    write(good, "bad")
    write("flaky.lua", FLAKY)
    write("notes.lua", NOTES)
    write("host.lua", f"""return {{ grace = "20s",
      groups = {{ pair = {{ strategy = "one_for_all" }} }},
      agents = {{
        {{ name = "flaky", script = "flaky.lua", config = {{ path = "{good}" }},
          allow = {{ "read={good}" }}, group = "pair",
          restart = {{ restarts = 2, within = "1h", delay = "2s", delay_max = "2s" }} }},
        {{ name = "other", script = "notes.lua", group = "pair" }},
        {{ name = "notes", script = "notes.lua" }} }} }}""")
    a = check.host("a", options=["--config", "host.lua"])
    check.eventually(lambda: status_of(a, "flaky") == "starting" and
                     "starts_in_ms" in agent_of(a, "flaky"), "it waits for its restart")
    said = check.haggle("agents", "--data", "a").stdout
    check.says("starting in ", said, "haggle agents")
    check.says("flaky.lua:3: not good yet", said, "haggle agents tells why")
    check.eventually(lambda: status_of(a, "flaky") == "parked", "it is parked when it keeps failing")
    check.that(status_of(a, "other") == "parked", "with its group", status_of(a, "other"))
    check.that(status_of(a, "notes") == "running", "and nobody else", status_of(a, "notes"))
    flaky = agent_of(a, "flaky")
    check.says("failed 3 times within 3600 s", flaky["reason"], "the reason")
    check.that(flaky["restarts"] == 2, "restarts are counted", flaky)
    time.sleep(1)  # its parking is durable with the next commit
    a.kill()
    a.start()
    check.that(status_of(a, "flaky") == "parked", "it stays parked over kill -9")
    check.says("not good yet", agent_of(a, "flaky")["reason"], "and so does the reason")
    a.call("send", to="flaky", type="flaky/1.0/ask", body={})
    check.that(agent_of(a, "flaky")["mailbox"] > 0, "its mail waits", agent_of(a, "flaky"))
    write(good, "good")
    verb(check, a, "resume", "flaky", says="flaky is ")
    check.that(a.body("flaky", "flaky/1.0/ask")["word"] == "mended", "it runs when it is resumed")
    verb(check, a, "resume", "other", says="other is ")
    return a


def paused_and_stopped(check, a):
    a.call("send", to="notes", type="notes/1.0/put", body={})
    check.eventually(lambda: count_of(a) == 1, "a note is put down")
    verb(check, a, "pause", "notes", says="notes is paused")
    for _ in range(3):
        a.call("send", to="notes", type="notes/1.0/put", body={})
    verb(check, a, "pause", "notes", says="notes is paused")  # answers when all of it is durable
    a.kill()
    a.start()
    check.that(status_of(a, "notes") == "paused", "it stays paused over kill -9")
    try:
        a.ask("notes", "notes/1.0/count", {}, within_ms=300)
        check.that(False, "a paused agent answers nothing")
    except Refused as refused:
        check.that(refused.code == "timeout", "a paused agent answers nothing", refused)
    verb(check, a, "resume", "notes", says="notes is ")
    check.that(count_of(a) == 4, "what waited is handled once", count_of(a))
    verb(check, a, "stop", "notes", says="notes is stopped")
    check.says("ends", a.said(), "on_stop ran")
    check.that(a.call("find", query="service=notes word=none") == [], "it offers nothing")
    try:
        a.ask("notes", "notes/1.0/count", {})
        check.that(False, "a stopped agent refuses")
    except Refused as refused:
        check.that(refused.code == "not_here", "a stopped agent refuses", refused)
    check.that(a.stop() == 0, "the host ends well")
    a.start()
    check.that(status_of(a, "notes") == "stopped", "it stays stopped over a restart")
    verb(check, a, "pause", "notes", status=1, says="notes is stopped")
    verb(check, a, "resume", "notes", says="notes is ")
    check.that(count_of(a) == 4, "and goes on with its state", count_of(a))


def restarted(check, a):
    write("notes.lua", NOTES.replace("VERSION", "two"))
    verb(check, a, "restart", "notes", says="notes is ")
    is_now = a.body("notes", "notes/1.0/count")
    check.that(is_now["version"] == "two" and is_now["count"] == 4, "its script is read anew", is_now)
    check.says('"reason":"reloaded"', a.said(), "on_start knows why")
    write("notes.lua", "agent.on(")
    verb(check, a, "restart", "notes", status=1, says="notes.lua:1:")
    check.that(count_of(a) == 4, "a script that does not load changes nothing")
    write("notes.lua", NOTES)


def added_and_removed(check, a):
    verb(check, a, "add", "notes.lua", "--name", "more", "--config", '{"word":"w"}',
         says="unless the host is started with it")
    check.eventually(lambda: len(a.call("find", query="word=w")) == 1, "its offer is found")
    a.call("send", to="more", type="notes/1.0/put", body={})
    check.eventually(lambda: count_of(a, "more") == 1, "it runs")
    verb(check, a, "add", "notes.lua", "--name", "more", status=1, says="already an agent named more")
    verb(check, a, "add", "nothing.lua", status=1, says="nothing.lua")
    verb(check, a, "add", "notes.lua", "--name", "bad", "--allow", "fly=high", status=1,
         says="no grant of kind")
    verb(check, a, "remove", "more", says="waits for an agent of that name")
    check.that(agent_of(a, "more") is None, "it is removed")
    check.eventually(lambda: a.call("find", query="word=w") == [], "its offer is withdrawn")
    verb(check, a, "add", "notes.lua", "--name", "more", says="more is ")
    check.that(count_of(a, "more") == 1, "its state waited for it")
    verb(check, a, "remove", "more", "--forget", says="is erased")
    done = check.haggle("agent", "add", "notes.lua", "--name", "more", "--data", "a", "--json")
    check.that(json.loads(done.stdout)["name"] == "more", "--json", done.stdout)
    check.that(count_of(a, "more") == 0, "nothing is left of a forgotten one")
    verb(check, a, "remove", "operator", status=1, says="through which you speak")
    verb(check, a, "pause", "nobody", status=1, says="no agent named nobody")
    verb(check, a, "pose", "notes", status=2, says="did you mean pause")
    verb(check, a, "pause", status=2, says="one agent's name")


WORKER = """
local last = "worker-1100"
agent.on_start(function(reason)
  log.info("begins", { reason = reason })
  if agent.name == "worker-1" then agent.send(last, "note/1.0/put", {}) end
end)
agent.on("note/1.0/put", function() state.count = (state.count or 0) + 1 end)
agent.on("note/1.0/ask", function(message)
  local read, _, code = host.read "/proc/loadavg"
  message:reply("is", { name = agent.name, count = state.count or 0, read = code or #read > 0 })
end)
"""


def instances(check):
    """So many that they are added in parts; one of them is treated apart from the others."""
    write("worker.lua", WORKER)
    write("many.lua", """return {
      agents = { { name = "worker", script = "worker.lua", count = 1100 } } }""")
    m = check.host("m", options=["--config", "many.lua",
                                 "--allow", "worker-7:read=/proc/loadavg"])
    check.eventually(lambda: m.body("worker-1100", "note/1.0/ask")["count"] == 1,
                     "the first speaks to the last as it begins")
    files = sorted(os.listdir("m/keys"))
    check.that(files == ["agent-operator.key", "host.key", "instances-worker.key"],
               "all their keys come of one secret", files)
    check.that(m.body("worker-7", "note/1.0/ask")["read"] is True, "one is granted something")
    check.that(m.body("worker-8", "note/1.0/ask")["read"] == "denied", "and its neighbour is not")
    started = json.loads(m.said_out().splitlines()[0])
    check.that(len(started["agents"]) == 1000 and started["more"] == 101, "--json lists the first",
               (len(started["agents"]), started["more"]))
    dids = dict(m.agents)
    last = json.loads(check.haggle("keys", "show", "worker-1100", "--data", "m", "--json").stdout)["did"]
    shown = check.haggle("keys", "show", "worker-9", "--data", "m", "--json").stdout
    check.that(json.loads(shown)["did"] == dids["worker-9"], "keys show names one", shown)
    done = check.haggle("keys", "delegate", "--agent", "worker-9", "--host", m.did, "--data", "m")
    check.says(dids["worker-9"], done.stdout + done.stderr, "keys delegate speaks for one")
    check.says("worker-1, worker-2", check.haggle("keys", "rotate", "worker", "--data", "m").stderr,
               "keys rotate wants one of them")
    check.says("instances-worker.key",
               check.haggle("keys", "rotate", "worker-9", "--data", "m").stdout, "keys rotate")
    verb(check, m, "restart", "worker-8", says="worker-8 is ")
    m.kill()
    m.start()
    now = m.agents
    changed = [name for name in now if now[name] != dids[name]]
    check.that(changed == ["worker-9"], "only what was rotated has another identity", changed)
    check.that(m.stop() == 0, "it ends well")
    write("fewer.lua", """return {
      agents = { { name = "worker", script = "worker.lua", count = 3 } } }""")
    m.options = ["--config", "fewer.lua"]
    m.start()
    verb(check, m, "add", "worker.lua", "--name", "worker-1100", says="worker-1100 is ")
    check.that(agent_of(m, "worker-1100")["did"] == last, "one that is added by its name is as before")
    check.that(m.body("worker-1100", "note/1.0/ask")["count"] >= 2, "and has its state")


def drained(check):
    write("notes.lua", NOTES)
    write("talker.lua", TALKER)
    b = check.host("b", ["notes.lua"])
    to = f"{b.agents['notes']}@{b.did}"
    c = check.host("c", ["talker.lua"], join=b.url, options=["--durability", "relaxed 10s"])
    check.eventually(lambda: c.linked(b.did), "they are linked")
    c.call("send", to="talker", type="talker/1.0/later", body={"to": to})
    time.sleep(0.3)
    began = time.monotonic()
    c.signal(signal.SIGTERM)
    status = c.wait(40)
    took = time.monotonic() - began
    check.that(status == 0, "SIGTERM ends it with status 0", f"{status}: {c.said()}")
    check.that(took < 9, "without waiting for a relaxed commit", took)
    check.eventually(lambda: count_of(b) == 1, "what on_stop said has been sent")
    return b, to


def cut_short(check, b, to, grace, signals, status):
    """More than the kernel takes is on its way to a host that does not read."""
    name = f"cut-{signals}"
    before = count_of(b)
    c = check.host(name, ["talker.lua"], join=b.url, options=["--grace", grace])
    check.eventually(lambda: c.linked(b.did), "they are linked")
    # What is said waits until B has shown that it speaks for the agent: before it stands still.
    c.call("send", to="talker", type="talker/1.0/load", body={"to": to, "count": 1})
    check.eventually(lambda: count_of(b) == before + 1, "a first message arrives")
    before += 1
    b.signal(signal.SIGSTOP)
    c.call("send", to="talker", type="talker/1.0/load", body={"to": to, "count": 370})
    check.eventually(lambda: (c.peer(b.did) or {}).get("unacknowledged", 0) >= 370, "much is said")
    time.sleep(1)
    for i in range(signals):
        c.signal(signal.SIGTERM)
        if i + 1 < signals:
            time.sleep(1)
            check.that(c.alive(), "it waits for the grace time", c.said())
    ended = c.wait(20)
    check.that(ended == status, f"{signals} SIGTERM with grace {grace}: status {status}",
               f"{ended}: {c.said()}")
    b.signal(signal.SIGCONT)
    c.start()
    check.eventually(lambda: count_of(b) >= before + 370, "nothing is lost", seconds=60)
    time.sleep(1)
    check.that(count_of(b) == before + 370, "and nothing comes twice", count_of(b))
    check.that(c.stop() == 0, "a host with nothing to wait for ends well")
    return c


with Checks() as check:
    a = failing_agents(check)
    paused_and_stopped(check, a)
    restarted(check, a)
    added_and_removed(check, a)
    instances(check)
    b, to = drained(check)
    c = cut_short(check, b, to, "1s", 1, 0)
    check.says("grace time is over", open(f"{c.name}.err", encoding="utf-8").read(), "it says so")
    cut_short(check, b, to, "60s", 2, 128 + signal.SIGTERM)
    check.that(check.haggle("run", "notes.lua", "--grace", "2h").returncode == 1, "--grace has bounds")
    check.stop_all()
