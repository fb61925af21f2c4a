#!/usr/bin/env python3
"""Talks to a real host with the host of second_host.py: first honestly, then as badly as it can."""

import json
import os
import random
import sys
import time

import cbor2
from nacl.signing import SigningKey

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, Checks  # noqa: E402
from second_host import (  # noqa: E402
    ACK, BATCH, ERROR, HAVE, HELLO, PING, PONG, SETTLE, WANT, Closed, SecondHost, encode, now_ms,
)
from verify_evidence import NO_HASH, did_of, key_of  # noqa: E402

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)

ECHO = """
local haggle = require "haggle"
agent.on_start(function(reason)
  if reason == "created" then state.count = 0 end
end)
agent.on("echo/1.0/say", function(message)
  state.count = state.count + 1
  message:reply("said", { text = message.body.text, count = state.count })
end)
agent.on("echo/1.0/call", function(message)
  local ok, why, code = agent.send(message.body.to, "echo/1.0/called", { n = message.body.n })
  message:reply("sent", { ok = ok ~= nil, code = code })
end)
agent.on_undelivered(function(message, why, code)
  state.undelivered = state.undelivered or haggle.array {}
  state.undelivered[#state.undelivered + 1] = code
end)
agent.on("echo/1.0/lost", function(message)
  message:reply("are", { codes = state.undelivered or haggle.array {} })
end)
agent.on("echo/1.0/count", function(message) message:reply("counted", { count = state.count }) end)
"""


def honest(check, a, target):
    me = SecondHost()
    link = me.link(a.port)
    check.that(link.host == key_of(a.did, "did"), "the host proves its identity")
    hello = link.expect(HELLO)
    check.that(abs(hello[1] - now_ms()) < 5000 and len(hello[2]) == 8, "it says hello", hello)
    link.send(PING, {1: 12345})
    check.that(link.expect(PONG) == {1: 12345}, "a ping is answered")
    batch = me.batch(link.host, [me.envelope(target, "echo/1.0/say", {"text": str(i)})
                                 for i in range(5)], delegations=[me.delegation()])
    link.send(BATCH, batch)
    ack = link.expect(ACK, lambda ack: ack[2] >= 5)
    check.that(ack == {1: me.incarnation, 2: 5, 3: []}, "five envelopes are acknowledged", ack)
    while len(me.heard) < 5:
        me.hear(link)
    check.that([reply[9] for reply in me.heard] ==
               [{"text": str(i), "count": i + 1} for i in range(5)],
               "the replies are valid evidence, in order", me.heard)
    check.that(all(reply[2] == "echo/1.0/said" and reply[3] == target for reply in me.heard),
               "from the agent", me.heard)
    # Once more, as after a lost acknowledgement
    link.send(BATCH, batch)
    ack = link.expect(ACK)
    check.that(ack[2] == 5, "a repeat is acknowledged again", ack)
    check.that(a.body("echo", "echo/1.0/count")["count"] == 5, "and not handled again")
    link.close()
    link = me.link(a.port)
    hello = link.expect(HELLO)
    check.that(hello[3][:3] == [me.incarnation, 5, me.leaf], "hello resumes where it was", hello)
    check.that(hello[3][3] == batch[1], "with our header as its proof")
    link.send(BATCH, batch)
    check.that(link.expect(ACK, lambda ack: ack[2] >= 5)[2] == 5, "on another link alike")
    link.send(BATCH, me.batch(link.host, [me.envelope(target, "echo/1.0/say", {"text": "more"})]))
    check.that(link.expect(ACK, lambda ack: ack[2] >= 6)[2] == 6, "and it goes on")
    check.that(me.hear(link)[0][9] == {"text": "more", "count": 6}, "with no second delegation")
    return me, link


def proof(check, a, target):
    """A message to agent@host does not leave before the host shows that it speaks for the agent."""

    def call(to, host, n):
        answer = a.body("echo", "echo/1.0/call", {"to": f"{did_of(to)}@{did_of(host)}", "n": n})
        check.that(answer["ok"], "the agent may send", answer)

    def sends(link, kind, within_s=1):
        link.web.socket.settimeout(within_s)
        try:
            return link.expect(kind, within_s=within_s)
        except TimeoutError:
            return None
        finally:
            link.web.socket.settimeout(15)

    me = SecondHost()
    link = me.link(a.port)
    link.expect(HELLO)
    link.on_want = None
    call(me.agent_key, me.key, 1)
    check.that(link.expect(WANT) == {1: [me.agent_key]}, "it asks for the agent's delegation")
    call(me.agent_key, me.key, 2)
    # Not those that prove nothing
    link.send(HAVE, {1: [me.delegation(agent=SigningKey.generate())], 2: []})
    link.send(HAVE, {1: [me.delegation(begins=-7200, ends=-3600, sequence=1)], 2: [os.urandom(32)]})
    check.that(sends(link, BATCH) is None, "nothing leaves before it is shown one that holds")
    link.close()
    link = me.link(a.port)
    while len(me.heard) < 2:
        me.hear(link)
    check.that([said[9] for said in me.heard] == [{"n": 1}, {"n": 2}],
               "asked again on the next link and shown it, it sends what waited", me.heard)
    nobody = bytes(SigningKey.generate().verify_key)
    call(nobody, me.key, 3)
    link.expect(WANT)  # answered: absent
    check.eventually(lambda: a.body("echo", "echo/1.0/lost")["codes"] == ["not_here"],
                     "an agent that is not there is told to the author")
    other = SecondHost()
    answer = a.body("echo", "echo/1.0/call",
                    {"to": f"{did_of(me.agent_key)}@{did_of(other.key)}", "n": 4})
    check.that(answer == {"ok": False, "code": "undeliverable"},
               "another host cannot claim the agent's mail", answer)
    link.close()


def exceptions(check, me, link, target):
    """What is wrong with one envelope costs its number and nothing else."""
    stranger = SigningKey.generate()
    other = SecondHost()
    good = ("echo/1.0/say", {"text": "between"})
    cases = [
        ("an agent that is not here", "not_here", me.envelope(other.agent_key, *good), []),
        ("no delegation", "no_delegation",
         me.envelope(target, *good, _3=bytes(stranger.verify_key)), []),
        ("an expired message", "expired", me.envelope(target, *good, _8=now_ms() - 5000), []),
        ("a critical key", "critical", me.envelope(target, *good, _64=1), []),
        ("no type", "malformed", me.envelope(target, *good, _2=None), []),
        ("a bad type", "malformed", me.envelope(target, "echo/say", {}), []),
        ("no CBOR", "malformed", b"\xff\xff\xff", []),
        ("not deterministic", "not_deterministic",
         b"\xb8" + me.envelope(target, *good)[:1].replace(b"\xa6", b"\x06") +
         me.envelope(target, *good)[1:], []),
    ]
    for name, code, envelope, delegations in cases:
        number = me.next
        link.send(BATCH, me.batch(link.host, [me.envelope(target, *good), envelope,
                                              me.envelope(target, *good)], delegations=delegations))
        ack = link.expect(ACK, lambda ack: ack[2] >= number + 2)
        check.that(ack[3] == [[number + 1, code]], f"{name} is {code}", ack)
        link.send(SETTLE, {1: me.incarnation, 2: ack[2], 3: me.next})
        got = 0
        while got < 2:
            got += len(me.hear(link))
        check.that(got == 2, f"{name}: its neighbours are handled")


def refusals(check, a, target):
    """What a host of good will does not send ends the link, with a code, before anything happens."""
    stranger = SigningKey.generate()
    hour = 3600 * 1000

    def one(me, link, **changes):
        return me.batch(link.host, [me.envelope(target, "echo/1.0/say", {"text": "bad"})],
                        delegations=[me.delegation()], **changes)

    def gap(me, link):
        link.send(BATCH, one(me, link))
        link.expect(ACK, lambda ack: ack[2] >= 1)
        me.next += 1
        return one(me, link)

    def fork(me, link):
        link.send(BATCH, one(me, link))
        link.expect(ACK, lambda ack: ack[2] >= 1)
        me.sequence, me.header_hash = 0, NO_HASH
        return one(me, link)

    def other_previous(me, link):
        link.send(BATCH, one(me, link))
        link.expect(ACK, lambda ack: ack[2] >= 1)
        return one(me, link, leaf={4: os.urandom(32)})

    def back_in_time(me, link):
        link.send(BATCH, one(me, link))
        link.expect(ACK, lambda ack: ack[2] >= 1)
        return one(me, link, time_ms=now_ms() - hour)

    def old_incarnation(me, link):
        link.send(BATCH, one(me, link))
        link.expect(ACK, lambda ack: ack[2] >= 1)
        return one(me, link, time_ms=now_ms() - hour, first=1, leaf={4: bytes(32)},
                   header={2: os.urandom(8), 3: 1, 4: bytes(32)})

    def altered_envelope(me, link):
        batch = one(me, link)
        batch[5] = [me.envelope(target, "echo/1.0/say", {"text": "another"})]
        return batch

    def wrong_count(me, link):
        batch = one(me, link)
        batch[5] = batch[5] * 2
        return batch

    def bad_signature(me, link):
        batch = one(me, link)
        batch[1] = batch[1][:-1] + bytes([batch[1][-1] ^ 1])
        return batch

    def bad_path(me, link):
        batch = one(me, link)
        batch[3] = [0, [os.urandom(32)]]
        return batch

    cases = {
        "a gap": (gap, {"gap"}),
        "a fork": (fork, {"fork"}),
        "another previous group": (other_previous, {"fork", "gap", "bad_path"}),
        "a time that runs back": (back_in_time, {"time_regressed"}),
        "an older incarnation": (old_incarnation, {"old_incarnation"}),
        "an hour ahead": (lambda me, link: one(me, link, time_ms=now_ms() + hour), {"clock_skew"}),
        "an altered envelope": (altered_envelope, {"bad_path"}),
        "more envelopes than announced": (wrong_count, {"malformed"}),
        "a bad signature": (bad_signature, {"bad_signature"}),
        "a bad path": (bad_path, {"bad_path"}),
        "another host's key": (lambda me, link: one(me, link, signer=stranger), {"bad_signature"}),
        "a header of another host":
            (lambda me, link: one(me, link, header={1: bytes(stranger.verify_key)}),
             {"wrong_host", "bad_signature"}),
        "a group for another host": (lambda me, link: one(me, link, leaf={1: os.urandom(32)}),
                                     {"wrong_host"}),
        "no header": (lambda me, link: {**one(me, link), 1: b""}, {"malformed", "truncated"}),
    }
    for name, (make, codes) in cases.items():
        me = SecondHost()
        try:
            link = me.link(a.port)
            link.expect(HELLO)
            count = a.body("echo", "echo/1.0/count")["count"]
            link.send(BATCH, make(me, link))
            error = link.expect(ERROR, within_s=10)
            check.that(error[1] in codes, f"{name} is {' or '.join(sorted(codes))}", error)
            check.that(a.body("echo", "echo/1.0/count")["count"] <= count + 1,
                       f"{name}: nothing came of it")
            link.close()
        except (Closed, TimeoutError) as problem:
            check.that(False, f"{name} is told its code", problem)

    # Delegations that do not do: said with the envelope's number
    elsewhere = bytes(stranger.verify_key)
    for name, codes, change in (
        ("expired", {"delegation_expired", "no_delegation"}, {"begins": -7200, "ends": -3600}),
        ("for another host", {"wrong_host", "no_delegation", "delegation_revoked"},
         {"host": elsewhere}),
        ("not begun", {"delegation_expired", "no_delegation"}, {"begins": 3600, "ends": 7200}),
    ):
        me = SecondHost()
        link = me.link(a.port)
        link.expect(HELLO)
        link.send(BATCH, me.batch(link.host, [me.envelope(target, "echo/1.0/say", {"text": "x"})],
                                  delegations=[me.delegation(**change)]))
        try:
            while True:
                kind, content = link.receive()
                if kind == ERROR or (kind == ACK and content[2] >= 1):
                    break
            code = content[1] if kind == ERROR else content[3] and content[3][0][1]
            check.that(code in codes, f"a delegation {name} is {' or '.join(sorted(codes))}", content)
        except Closed as problem:
            check.that(False, f"a delegation {name} is told", problem)
        link.close()


def proofs(check, a, target):
    """Who contradicts itself is named, and what it signed convinces anyone."""
    def batch(me, link, delegation, **changes):
        return me.batch(link.host, [me.envelope(target, "echo/1.0/say", {"text": "two ways"})],
                        delegations=[delegation], **changes)

    forker = SecondHost()
    link = forker.link(a.port)
    link.expect(HELLO)
    signed = batch(forker, link, forker.delegation())
    link.send(BATCH, signed)
    link.expect(ACK, lambda ack: ack[2] >= 1)
    forker.sequence, forker.header_hash = 0, NO_HASH
    forked = batch(forker, link, forker.delegation())
    link.send(BATCH, forked)
    link.expect(ERROR)
    link.close()

    twofold = SecondHost()
    link = twofold.link(a.port)
    link.expect(HELLO)
    link.send(BATCH, batch(twofold, link, twofold.delegation(sequence=7)))
    link.expect(ACK, lambda ack: ack[2] >= 1)
    link.send(BATCH, batch(twofold, link, twofold.delegation(sequence=7, ends=7200)))
    link.expect(ACK, lambda ack: ack[2] >= 2)
    link.close()

    host, agent = did_of(forker.key), did_of(twofold.agent_key)
    listed = {(proof["kind"], proof["subject"]) for proof in a.call("proofs")}
    check.that({("fork", host), ("delegation_conflict", agent)} <= listed, "both are listed", listed)
    shown = check.haggle("proofs", "--data", a.data)
    check.that(host in shown.stdout and agent in shown.stdout, "by haggle proofs", shown)
    marked = {peer["did"]: peer["forked"] for peer in a.call("peers")}
    check.that(marked[host] and not marked[did_of(twofold.key)], "the forked peer is marked", marked)
    for subject, words, objects in (
        (host, f"host {host} signed two different headers of sequence 1", [signed[1], forked[1]]),
        (agent, f"agent {agent} signed two different delegations of sequence 7", None),
    ):
        done = check.haggle("export", subject, "--data", a.data, "--out", "conflict")
        check.that(done.returncode == 0, "the proof is exported", done)
        done = check.haggle("verify", "conflict")
        check.that(done.returncode == 0 and words in done.stdout, "and says what it proves", done)
        done = check.haggle("verify", "conflict", "--json", "--agent", subject)
        check.that(done.returncode == 0 and words.endswith(json.loads(done.stdout)["proves"][-20:]),
                   "in JSON, too", done)
        done = check.haggle("verify", "conflict", "--agent", a.did)
        check.that(done.returncode == 1, "against nobody else", done)
        data = open("conflict", "rb").read()
        content = cbor2.loads(data)
        check.that(list(content) == [0, 1, 2] and content[0] == "haggle-conflict/1", "its shape",
                   content)
        check.that(objects is None or [content[1], content[2]] == objects,
                   "it holds the two, as they were signed")
        for at in range(0, len(data), 41):
            changed = bytearray(data)
            changed[at] ^= 1
            with open("changed", "wb") as file:
                file.write(changed)
            done = check.haggle("verify", "changed")
            check.that(done.returncode == 1 and not done.stdout,
                       f"refused with byte {at} changed", done)


def hostile(check, a, target, chance):
    # Words that would cost us dearly if they were believed
    me = SecondHost()
    for claim in ("old_incarnation", "fork", "clock_skew", "\x1b[31m"):
        link = me.link(a.port)
        link.expect(HELLO)
        link.send(ERROR, {1: claim, 2: "stop, please"})
        link.close()
    check.that(a.call("describe")["did"] == a.did and a.alive(),
               "a stranger cannot stop a host by what it says", a.said()[-800:])
    check.that("\x1b" not in a.said(), "nor write to its terminal")
    link = me.link(a.port)
    link.expect(HELLO)
    link.send(ACK, {1: os.urandom(8), 2: 1 << 60, 3: []})
    link.send(ACK, {1: incarnation_of(a, me), 2: 1 << 60, 3: []})
    link.close()
    incarnation = incarnation_of(a, SecondHost())
    for resume in ([os.urandom(8), 1 << 50, os.urandom(32), b""],
                   [os.urandom(8), 5, os.urandom(32), os.urandom(300)],
                   [incarnation, 1 << 50, os.urandom(32), b""],
                   [incarnation, 1 << 50, os.urandom(32), encode([b"", {}, b"", bytes(64)])]):
        liar = SecondHost()
        liar.resume = resume
        link = liar.link(a.port)
        try:
            link.send(PING, {1: 1})
            link.expect(PONG, within_s=5)
        except (Closed, TimeoutError):
            pass
        link.close()
    check.that(a.alive() and incarnation_of(a, SecondHost()) == incarnation,
               "claims of what was heard neither end a host nor begin another incarnation",
               a.said()[-1500:])

    # A record altered on the way
    me = SecondHost()
    link = me.link(a.port)
    link.expect(HELLO)
    link.send_bytes(encode([PING, {1: 1}]),
                    alter=lambda record: record[:3] + bytes([record[3] ^ 1]) + record[4:])
    try:
        link.expect(PONG, within_s=5)
        check.that(False, "an altered record ends the link")
    except (Closed, TimeoutError) as problem:
        check.that(isinstance(problem, Closed), "an altered record ends the link", problem)
    # A handshake replayed, or by somebody else's word
    replayed = SecondHost()
    old = replayed.link(a.port)
    third = old.third
    old.close()
    for name, change in (("replayed", lambda message: third),
                         ("altered", lambda message: message[:-1] + bytes([message[-1] ^ 1])),
                         ("cut short", lambda message: message[:40])):
        try:
            link = SecondHost().link(a.port, third=change)
            link.expect(HELLO, within_s=5)
            check.that(False, f"a {name} handshake ends the link")
        except Closed:
            check.that(True, f"a {name} handshake ends the link")

    # Frames that nearly are ones
    me = SecondHost()
    good = [encode([BATCH, me.batch(key_of(a.did, "did"),
                                    [me.envelope(target, "echo/1.0/say", {"text": "x"})],
                                    delegations=[me.delegation()], keep=False)]),
            encode([HELLO, {1: now_ms(), 2: os.urandom(8), 4: ["ws://127.0.0.1:1"], 5: "x", 6: 0}]),
            encode([ACK, {1: os.urandom(8), 2: 3, 3: [[2, "not_here"]]}]),
            encode([SETTLE, {1: os.urandom(8), 2: 3, 3: 4}])]
    closed = 0
    for _ in range(60):
        frame = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 4)):
            what = chance.randrange(3)
            at = chance.randrange(len(frame))
            if what == 0:
                frame[at] ^= 1 << chance.randrange(8)
            elif what == 1:
                del frame[at:at + chance.randrange(1, 9)]
            else:
                frame[at:at] = chance.randbytes(chance.randrange(1, 9))
            if not frame:
                frame = bytearray(b"\x82")
        try:
            link = SecondHost().link(a.port)
            link.send_bytes(bytes(frame))
            link.send(PING, {1: 7})
            link.expect(PONG, within_s=5)
        except (Closed, TimeoutError):
            closed += 1
        link.close()
    print(f"{closed} of 60 altered frames ended their link", flush=True)
    check.that(a.alive(), "altered frames do no harm", a.said()[-2000:])


def flood(check):
    """Much is asked and no answer read: what is queued for such a peer is bounded."""
    # The sanitizer keeps what was freed, which is what is measured here.
    a = check.host("flooded", ["echo.lua"], binary=HAGGLE_RELEASE)
    before = a.memory_kib()
    links = [SecondHost().link(a.port) for _ in range(3)]
    frames = [encode([PING, {1: 1}]), encode([WANT, {1: [os.urandom(32) for _ in range(500)]}])]
    highest, until = before, time.monotonic() + 8
    sent = 0
    for link in links:
        link.web.socket.settimeout(0.5)
    while time.monotonic() < until and links:
        for link in list(links):
            try:
                for _ in range(50):
                    link.send_bytes(frames[sent % 2])
                    sent += 1
            except (Closed, OSError):
                links.remove(link)
        highest = max(highest, a.memory_kib())
    print(f"{sent} frames sent and no answer read: {before} → {highest} KiB", flush=True)
    check.that(highest - before < 3 * 20000, "memory is bounded", f"{before} → {highest} KiB")
    check.that(a.call("describe")["did"] == a.did, "the operator is answered")
    for link in links:
        link.close()


def incarnation_of(a, me):
    link = me.link(a.port)
    hello = link.expect(HELLO)
    link.close()
    return hello[2]


with Checks() as check:
    print(f"SEED={SEED}", flush=True)
    check.script("echo.lua", ECHO)
    a = check.host("a", ["echo.lua"])
    target = key_of(a.agents["echo"], "did")
    me, link = honest(check, a, target)
    exceptions(check, me, link, target)
    link.close()
    proof(check, a, target)
    refusals(check, a, target)
    proofs(check, a, target)
    hostile(check, a, target, random.Random(SEED))
    flood(check)
    # After all that an honest one still gets through
    last = SecondHost()
    link = last.link(a.port)
    link.expect(HELLO)
    link.send(BATCH, last.batch(link.host, [last.envelope(target, "echo/1.0/say", {"text": "last"})],
                                delegations=[last.delegation()]))
    check.that(last.hear(link)[0][9]["text"] == "last", "an honest host is heard after all that")
    link.close()
    check.stop_all()
