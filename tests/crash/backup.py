#!/usr/bin/env python3
# timeout: 280
# waits
"""A backup of a host that is busy, then put in its place, beside it, and after its peer has forgotten
what was said: a new incarnation that the peer knows as such, nothing said twice under one number, and
what is lost is said. And backups that cannot be made."""

import os
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import Checks, Refused  # noqa: E402

# Each side says numbers to the other and keeps what it hears; the state grows by some megabytes, so
# that a copy takes its time.
TRADER = """
local haggle = require "haggle"
agent.on_start(function(reason)
  if reason == "created" then state.said, state.heard, state.ballast = 0, {}, {} end
end)
agent.on("trade/1.0/begin", function(message)
  state.to = message.body.to
  message:reply("began", {})
end)
agent.on("trade/1.0/halt", function(message)
  state.to = nil
  message:reply("halted", { said = state.said })
end)
agent.every("burst", "30ms", function()
  if not state.to then return end
  -- What was under way to a host that was restored since is answered no more.
  for _ = 1, state.said - (state.answered or 0) > 100 and 1 or 5 do
    state.said = state.said + 1
    state.ballast[state.said % 2000 + 1] = string.rep("x", 900) .. state.said
    agent.send(state.to, "trade/1.0/word", { n = state.said, fill = string.rep("y", 500) })
  end
end)
agent.on("trade/1.0/word", function(message)
  state.heard[#state.heard + 1] = message.body.n
  message:reply("seen", {})
end)
agent.on("trade/1.0/seen", function() state.answered = (state.answered or 0) + 1 end)
agent.on("trade/1.0/report", function(message)
  local heard = haggle.array {}
  for i, n in ipairs(state.heard) do heard[i] = n end
  message:reply("is", { said = state.said, heard = heard, answered = state.answered or 0 })
end)
"""


# More than is copied within a millisecond.
HEAVY = """
agent.on_start(function(reason)
  if reason ~= "created" then return end
  for i = 1, 80 do state["part" .. i] = string.rep("x", 100000) .. i end
end)
"""


def report(host, name="trader"):
    return host.body(name, "trade/1.0/report")


def begin(check, first, second):
    for a, b in ((first, second), (second, first)):
        a.ask("trader", "trade/1.0/begin", {"to": f"{b.agents['trader']}@{b.did}"})
    check.eventually(lambda: len(report(first)["heard"]) > 100 and
                     len(report(second)["heard"]) > 100, "both hear each other")


def check_modes(check, folder):
    check.that(stat.S_IMODE(os.stat(folder).st_mode) == 0o700, "the backup's folder is private")
    for where, folders, files in os.walk(folder):
        for name in files:
            mode = stat.S_IMODE(os.stat(os.path.join(where, name)).st_mode)
            check.that(mode == 0o600, f"{name} is the owner's alone", oct(mode))
        for name in folders:
            mode = stat.S_IMODE(os.stat(os.path.join(where, name)).st_mode)
            check.that(mode == 0o700, f"{name} is the owner's alone", oct(mode))
    names = sorted(os.listdir(folder))
    check.that(names == ["data.mdb", "keys"], "it holds the store and the keys", names)


def refused(check):
    """What cannot be made, with the reason, and leaving nothing."""
    a = check.hosts[0]
    check.script("heavy.lua", HEAVY)
    check.host("heavy", ["heavy.lua"])
    check.eventually(lambda: os.stat("heavy/data.mdb").st_blocks * 512 > 6 << 20, "a host keeps much")
    os.mkdir("full")
    open("full/file", "w").close()
    open("plain", "w").close()
    cases = [("full", "is not empty"), ("plain", "is no folder"), ("a/backup", "lies in it"),
             ("a", "is the data folder"), ("none/backup", "there is no folder")]
    for to, words in cases:
        ended = check.haggle("backup", to, "--data", "a")
        check.that(ended.returncode == 1 and words in ended.stderr, f"no backup in {to}", ended)
    check.that(os.listdir("full") == ["file"] and not os.path.exists("a/backup"), "and none there")
    ended = check.haggle("backup", "--data", "a")
    check.that(ended.returncode == 2, "a folder is to be named", ended)
    ended = check.haggle("backup", "late", "--data", "heavy", "--within", "1ms")
    check.that(ended.returncode == 1 and "within 1 ms" in ended.stderr, "the limit of time is kept",
               ended)
    check.that(not os.path.exists("late") and not os.path.exists("late.part"), "nothing is left")
    os.mkdir("left.part")
    ended = check.haggle("backup", "left", "--data", "a")
    check.that(ended.returncode == 1 and "cut short" in ended.stderr,
               "what was cut short is for the operator to remove", ended)
    try:
        a.call("backup", to="relative")
        check.that(False, "a relative path is refused")
    except Refused as error:
        check.that(error.code == "invalid", "a relative path is refused", error)
    ended = check.haggle("backup", "there", "--data", "nowhere")
    check.that(ended.returncode == 1 and "no host runs" in ended.stderr, "there has to be a host",
               ended)
    small = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "full"],
                           capture_output=True, text=True, check=False)
    if small.returncode != 0:
        check.skip("a small disk", small.stderr.strip())
        return
    try:
        ended = check.haggle("backup", "full/copy", "--data", "a")
        check.that(ended.returncode == 1 and "has room for" in ended.stderr,
                   "a disk without room is told before", ended)
        check.that(os.listdir("full") == [], "and nothing is left there", os.listdir("full"))
    finally:
        subprocess.run(["umount", "full"], check=False)


def main(check):
    check.script("trader.lua", TRADER)
    a = check.host("a", ["trader.lua"])
    b = check.host("b", ["trader.lua"], join=a.url)
    begin(check, a, b)

    # While busy
    before = report(a)
    made = check.haggle("backup", "snapshot", "--data", "a", "--json")
    after = report(a)
    check.that(made.returncode == 0 and '"bytes":' in made.stdout, "a backup is made", made)
    check.that(not os.path.exists("snapshot.part"), "nothing else is left")
    check_modes(check, "snapshot")
    check.eventually(lambda: report(a)["said"] > after["said"] + 50, "the host goes on")
    refused(check)

    # In the original's place
    behind = check.eventually(lambda: (lambda now: now["said"] > after["said"] + 100 and now)
                              (report(a)), "and on")
    a.kill()
    copy = check.host("copy", ["trader.lua"], data="snapshot", listen=a.listen)
    check.that(copy.did == a.did, "it is the same host")
    check.says("a new incarnation begins", copy.said(), "the copy begins a new incarnation")
    check.says("backup", copy.said(), "and says why")
    check.eventually(lambda: copy.linked(b.did), "they link", detail=copy.said)
    at_start = report(copy)
    check.that(before["said"] <= at_start["said"], "its state is that of the backup's moment or later",
               (before["said"], at_start["said"]))
    check.eventually(lambda: report(copy)["said"] > behind["said"] + 50, "trade goes on",
                     detail=lambda: (report(copy)["said"], behind["said"], copy.said()[-800:],
                                     b.said()[-800:]))
    check.eventually(lambda: "new incarnation" in b.said(), "the peer is told", detail=b.said)
    check.says("lost what it acknowledged", b.said(), "and sees that it was restored")
    for host in (copy, b):
        host.ask("trader", "trade/1.0/halt")
    last_b = report(b)["said"]
    check.eventually(lambda: set(report(copy)["heard"]) == set(range(1, last_b + 1)),
                     "the copy hears again what it had forgotten",
                     detail=lambda: sorted(set(range(1, last_b + 1)) - set(report(copy)["heard"])))
    heard = report(copy)["heard"]
    check.that(len(heard) == len(set(heard)), "and nothing twice")
    last_a = report(copy)["said"]
    check.eventually(lambda: set(range(1, last_a + 1)) <= set(report(b)["heard"]),
                     "the peer has heard all that the copy's state says it said")
    for host in (copy, b):
        check.that("fork" not in host.said() and "contradict" not in host.said(),
                   f"nothing was said twice under one number ({host.name})", host.said()[-1500:])


def beside_its_original(check):
    """Both run at once and dial the same peer: the copy is newer, the original stops and says why."""
    peer = check.host("peer", ["trader.lua"])
    original = check.host("original", ["trader.lua"], join=peer.url)
    begin(check, original, peer)
    check.that(check.haggle("backup", "twin-data", "--data", "original").returncode == 0,
               "a backup is made")
    twin = check.host("twin", ["trader.lua"], data="twin-data", join=peer.url)
    check.that(twin.did == original.did, "both are the same host")
    status = original.wait(60)
    check.that(status not in (None, 0) and status > 0, "the original stops",
               (status, original.said()[-1500:], twin.said()[-1500:]))
    check.says("(old_incarnation)", original.said(), "because its incarnation is old")
    said = report(twin)["said"]
    check.eventually(lambda: report(twin)["said"] > said + 20, "the copy goes on",
                     detail=lambda: (twin.said()[-1500:], peer.said()[-1500:]))
    check.that("fork" not in peer.said(), "nothing was said twice under one number",
               peer.said()[-1500:])
    check.hosts.remove(original)
    check.stop_all()


def forgotten(check):
    """What the peer's journal no longer has is lost, and the restored host says which numbers."""
    c = check.host("c", ["trader.lua"])
    d = check.host("d", ["trader.lua"], join=c.url, options=["--journal-size", "1MB"])
    begin(check, c, d)
    check.that(check.haggle("backup", "early", "--data", "c").returncode == 0, "a backup is made")
    said = report(d)["said"]
    check.eventually(lambda: report(d)["said"] > said + 1500, "much is said after it", seconds=90)
    c.kill()
    late = check.host("late", ["trader.lua"], data="early", listen=c.listen)
    check.eventually(lambda: "are lost with what the store forgot" in late.said(),
                     "what is lost is said", detail=lambda: (late.said(), d.said()[-800:]))
    last = report(late)["heard"][-1]
    check.eventually(lambda: report(late)["heard"][-1] > last, "and trade goes on",
                     detail=lambda: (late.said()[-800:], d.said()[-800:]))
    heard = report(late)["heard"]
    check.that(heard == sorted(set(heard)), "each once and in order", heard[-20:])
    for host in (late, d):
        check.that("fork" not in host.said(), f"nothing was said twice under one number ({host.name})",
                   host.said()[-1500:])


with Checks() as check:
    main(check)
    check.stop_all()
    forgotten(check)
    check.stop_all()
    beside_its_original(check)
