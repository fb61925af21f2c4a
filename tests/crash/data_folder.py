#!/usr/bin/env python3
# timeout: 170
# waits
"""A data folder that is used twice, copied, put back, cut short, overwritten with garbage, or of a
newer program: said clearly, never a crash, never a word taken back."""

import os
import random
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, Checks  # noqa: E402

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
FAILED, STORE = 1, 70  # exit statuses

TALKER = """
agent.on_start(function(reason)
  if reason == "created" then state.sent, state.answered = 0, 0 end
end)
agent.on("talk/1.0/say", function(message)
  for _ = 1, message.body.times or 1 do
    state.sent = state.sent + 1
    agent.send(message.body.to, "talk/1.0/word", { n = state.sent })
  end
  message:reply("sent", { sent = state.sent })
end)
agent.on("talk/1.0/heard", function() state.answered = state.answered + 1 end)
agent.on("talk/1.0/report", function(message)
  message:reply("is", { sent = state.sent, answered = state.answered })
end)
"""
LISTENER = """
agent.on_start(function(reason)
  if reason == "created" then state.heard = {} end
end)
agent.on("talk/1.0/word", function(message)
  state.heard[#state.heard + 1] = message.body.n
  message:reply("heard", {})
end)
agent.on("talk/1.0/report", function(message)
  local heard = haggle.array {}
  for i, n in ipairs(state.heard) do heard[i] = n end
  message:reply("is", { heard = heard })
end)
"""


def siphash13(seed, data):
    """As runtime/base/map.c; rows of the store carry it as their checksum."""
    mask = (1 << 64) - 1

    def rotate(value, by):
        return (value << by | value >> 64 - by) & mask

    v = [seed[0] ^ 0x736F6D6570736575, seed[1] ^ 0x646F72616E646F6D,
         seed[0] ^ 0x6C7967656E657261, seed[1] ^ 0x7465646279746573]

    def round_once():
        v[0] = (v[0] + v[1]) & mask
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & mask
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & mask
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & mask
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)

    whole = len(data) // 8 * 8
    words = list(struct.unpack(f"<{whole // 8}Q", data[:whole]))
    words.append(len(data) << 56 & mask | int.from_bytes(data[whole:], "little"))
    for word in words:
        v[3] ^= word
        round_once()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        round_once()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def schema_row(version):
    seed = siphash13([0x656C676761682E31, 0], b"schema")
    value = struct.pack(">Q", version)
    return b"schema" + value + struct.pack(">Q", siphash13([seed, 0], value))


with Checks() as check:
    print(f"SEED={SEED}", flush=True)
    chance = random.Random(SEED)
    check.script("talker.lua", TALKER)
    check.script("listener.lua", "local haggle = require 'haggle'\n" + LISTENER)
    b = check.host("b", ["listener.lua"])
    a = check.host("a", ["talker.lua"], join=b.url)
    to = f"{b.agents['listener']}@{b.did}"

    def heard():
        return b.body("listener", "talk/1.0/report")["heard"]

    def say(host, times):
        return host.body("talker", "talk/1.0/say", {"to": to, "times": times})["sent"]

    sent = say(a, 10)
    check.eventually(lambda: heard() == list(range(1, 11)), "ten words are heard", detail=heard)
    check.eventually(lambda: a.body("talker", "talk/1.0/report")["answered"] == 10, "and answered")

    # Used twice
    second = check.haggle("run", "talker.lua", "--data", "a", "--listen", "127.0.0.1:0")
    check.that(second.returncode == FAILED, "a second host on a folder is refused", second)
    check.says("a host runs on the data folder a already", second.stderr, "and says so")
    check.says("--data", second.stderr, "and what to do")
    check.that(a.alive() and say(a, 1) == 11, "the first goes on")
    check.eventually(lambda: a.body("talker", "talk/1.0/report")["answered"] == 11, "all is quiet")

    # Copied while stopped: the copy is a new incarnation, and peers take it as the newer one
    check.that(a.stop() == 0, "A stops")
    shutil.copytree("a", "copy")
    os.path.exists("copy/control.sock") and os.unlink("copy/control.sock")
    copy = check.host("copy", ["talker.lua"], join=b.url)
    check.says("a new incarnation begins", copy.said(), "a copied folder begins a new incarnation")
    check.says("copied", copy.said(), "and says why")
    check.that(copy.did == a.did, "it is the same host")
    check.that(say(copy, 3) == 14, "its agents go on from the copied state")
    check.eventually(lambda: heard() == list(range(1, 15)), "what the copy says is heard", detail=heard)
    check.eventually(lambda: copy.body("talker", "talk/1.0/report")["answered"] == 14,
                     "and it gets its answers")
    check.says("new incarnation", b.said(), "the peer says that the host was restored or copied")
    # The original, when the copy has spoken, stops and says why
    a.launch()
    try:
        a.wait_ready()
    except Exception:  # it may end before it is ready
        pass
    status = None
    if a.alive():
        try:
            a.call("send", to="talker", type="talk/1.0/say", body={"to": to})
        except (OSError, Exception):
            pass
        status = a.wait(30)
    else:
        status = a.process.returncode
    check.that(status not in (None, 0) and status > 0, "the original stops", (status, a.said()))
    check.says("(old_incarnation)", a.said(), "because its incarnation is old")
    check.says("old copy", a.said(), "and says so")
    check.that(copy.alive(), "the copy goes on")
    check.eventually(lambda: copy.linked(b.did), "linked")
    check.that(say(copy, 1) == 15, "and speaks")
    check.eventually(lambda: heard() == list(range(1, 16)), "and is heard", detail=heard)
    check.eventually(lambda: copy.body("talker", "talk/1.0/report")["answered"] == 15,
                     "and answered once more")

    # Put back in place, file over file: what the peer has seen tells. The folder's own copy says
    # again what it does not remember, so the peer hears two words twice: exactly once does not span
    # a restore, no silent loss does.
    check.that(copy.stop() == 0, "the copy stops")
    shutil.copyfile("copy/data.mdb", "backup.mdb")
    copy.start()
    say(copy, 2)
    check.eventually(lambda: heard() == list(range(1, 18)), "two more are heard", detail=heard)
    check.eventually(lambda: copy.body("talker", "talk/1.0/report")["answered"] == 17, "and answered")
    check.that(copy.stop() == 0, "it stops")
    with open("backup.mdb", "rb") as source, open("copy/data.mdb", "r+b") as target:
        target.truncate(0)
        shutil.copyfileobj(source, target)
    copy.start()
    check.eventually(lambda: copy.linked(b.did), "the restored host links again", detail=copy.said)
    check.that(say(copy, 3) == 18, "its state is that of the backup")
    check.eventually(lambda: heard() == [*range(1, 18), 16, 17, 18],
                     "and all that it says after the restore is heard", detail=heard)
    check.says("restored", copy.said(), "and it says that it was restored")
    check.eventually(lambda: copy.body("talker", "talk/1.0/report")["answered"] == 20,
                     "and answers come back",
                     detail=lambda: (copy.body("talker", "talk/1.0/report"), copy.said()[-1500:],
                                     b.said()[-1500:], copy.call("peers"), b.call("peers")))

    # kill -9, then cut short: as many bytes as a write of pages may leave
    copy.kill()
    with open("copy/data.mdb", "rb") as file:
        whole = file.read()
    used = len(whole.rstrip(b"\0"))
    os.makedirs("cut", exist_ok=True)
    shutil.copytree("copy/keys", "cut/keys")
    sizes = {0, 1, 15, 100, 4095, 4096, 4097, 8191, 8192, 8193, 12288, used // 2, used - 4096,
             *(chance.randrange(used - 4096) for _ in range(6))}
    for size in sorted(size for size in sizes if size >= 0):
        with open("cut/data.mdb", "wb") as file:
            file.write(whole[:size])
        ended = check.haggle("run", "talker.lua", "--data", "cut", "--listen", "127.0.0.1:0")
        check.that(ended.returncode in (FAILED, STORE) and "damaged" in ended.stderr,
                   f"a data file cut to {size} of {used} bytes is refused", ended)
        check.that("backup" in ended.stderr, "and what to do is said", ended.stderr)
        with open("cut/data.mdb", "rb") as file:
            check.that(file.read() == whole[:size], "and the file is left as it is")

    # Garbage, all of it or a page in the middle
    with open("cut/data.mdb", "wb") as file:
        file.write(chance.randbytes(1 << 20))
    ended = check.haggle("run", "talker.lua", "--data", "cut", "--listen", "127.0.0.1:0")
    check.that(ended.returncode in (FAILED, STORE), "garbage is refused", ended)
    check.says("damaged", ended.stderr, "as damage")
    survived = 0
    for turn in range(24):
        # With the release build: LMDB itself reads what pages say of themselves.
        page = 2 + chance.randrange(max(1, used // 4096 - 2))
        broken = bytearray(whole)
        kind = turn % 3
        if kind == 0:  # a page of garbage
            broken[page * 4096:page * 4096 + 4096] = chance.randbytes(4096)
        elif kind == 1:  # a page of zeros
            broken[page * 4096:page * 4096 + 4096] = bytes(4096)
        else:  # a byte
            at = page * 4096 + chance.randrange(4096)
            broken[at] ^= 1 << chance.randrange(8)
        with open("cut/data.mdb", "wb") as file:
            file.write(broken)
        try:
            ended = check.haggle("run", "talker.lua", "--data", "cut", "--listen", "127.0.0.1:0",
                                 binary=HAGGLE_RELEASE, timeout=1.5)
            check.that(ended.returncode in (FAILED, STORE) and "damaged" in ended.stderr,
                       f"damage {kind} of page {page} (turn {turn}) is refused", ended)
        except subprocess.TimeoutExpired:  # it runs: the page was not of those in use
            survived += 1
    print(f"of 24 damages {survived} were not in the way", flush=True)

    # A newer program's
    row = schema_row(1)
    for version in range(1, 100):
        if schema_row(version) in whole:
            row = schema_row(version)
            break
    if check.that(row in whole, "the schema's row is where we look for it"):
        with open("cut/data.mdb", "wb") as file:
            file.write(whole.replace(row, schema_row(1000)))
        ended = check.haggle("run", "talker.lua", "--data", "cut", "--listen", "127.0.0.1:0")
        check.that(ended.returncode in (FAILED, STORE), "a newer folder is refused", ended)
        check.says("version 1000", ended.stderr, "and says of which version it is")
        check.says("newer program", ended.stderr, "and what to do")

    # After all that the folder itself still starts
    copy.start()
    check.that(copy.body("talker", "talk/1.0/report")["sent"] == 18, "the untouched folder goes on")

    # A lost data file: the keys are there, so it is the same host, as a new incarnation
    check.that(copy.stop() == 0, "it stops")
    os.unlink("copy/data.mdb")
    copy.start()
    check.that(copy.did == b.call("peers")[0]["did"], "without its data file it is the same host")
    check.eventually(lambda: copy.linked(b.did), "that links", detail=copy.said)
    say(copy, 1)
    check.eventually(lambda: heard()[-1] == 1, "and is heard", detail=heard)
    # With what the peer's journal still has of the answers before.
    check.eventually(lambda: copy.body("talker", "talk/1.0/report")["answered"] >= 1,
                     "and gets its answer", detail=copy.said)
    check.stop_all()
