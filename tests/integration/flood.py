#!/usr/bin/env python3
# timeout: 170
# waits
"""Strangers and slow peers: wrong subprotocols, garbage, half-open connections by the hundred, a
peer that stops reading. Others go on, memory stays bounded, and what was held arrives."""

import base64
import os
import signal
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, TREE, Checks  # noqa: E402

ECHO = os.path.join(TREE, "agents/echo/agent.lua")
CONNECTIONS = 200
HANDSHAKE_S = 10
STOPPED_S = 12

SENDER = """
local FILL = string.rep("x", 3000)
agent.on_start(function(reason)
  if reason == "created" then state.sent, state.answered, state.undelivered = 0, 0, 0 end
end)
agent.on("count/1.0/begin", function(message)
  state.to, state.most = message.body.to, message.body.most
  message:reply("began", {})
end)
agent.every("burst", "20ms", function()
  if not state.to then return end
  for _ = 1, 60 do
    if state.sent >= state.most then return end
    state.sent = state.sent + 1
    agent.send(state.to, "count/1.0/number", { n = state.sent, fill = FILL })
  end
end)
agent.on("count/1.0/seen", function() state.answered = state.answered + 1 end)
agent.on_undelivered(function(message, why, code)
  state.undelivered, state.code = state.undelivered + 1, code
end)
agent.on("count/1.0/report", function(message)
  message:reply("is", { sent = state.sent, answered = state.answered,
    undelivered = state.undelivered, code = state.code })
end)
"""
RECEIVER = """
agent.on_start(function(reason)
  if reason == "created" then state.last, state.wrong = 0, 0 end
end)
agent.on("count/1.0/number", function(message)
  if message.body.n ~= state.last + 1 then state.wrong = state.wrong + 1 end
  state.last = message.body.n
  message:reply("seen", {})
end)
agent.on("count/1.0/report", function(message)
  message:reply("is", { last = state.last, wrong = state.wrong })
end)
"""


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), 5)
    connection.settimeout(HANDSHAKE_S + 8)
    return connection


def upgrade(port, subprotocol):
    """A WebSocket as a client opens one; (connection, head of the answer)."""
    connection = connect(port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    try:
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4096)
            if not piece:
                break
            head += piece
    except ConnectionError:
        pass
    return connection, head.decode(errors="replace")


def message(payload, opcode=2):
    """One masked WebSocket message."""
    mask = os.urandom(4)
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += struct.pack(">BH", 0x80 | 126, size)
    else:
        head += struct.pack(">BQ", 0x80 | 127, size)
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + mask + body


def hung_up(connection):
    """Seconds until the other side closes; None if it does not."""
    begin = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except (socket.timeout, TimeoutError):
        return None
    except OSError:
        pass
    return time.monotonic() - begin


def strangers(check, a):
    for name, subprotocol in (("another", "chat"), ("none", None), ("haggle.v2", "haggle.v2")):
        connection, head = upgrade(a.port, subprotocol)
        spoken = "haggle" in head.lower() and "101" in head
        check.that(not spoken, f"subprotocol {name} is not spoken", head)
        check.that(head.split()[1] in ("200", "503"), f"but asks for the page as others do ({name})", head[:200])
        connection.close()
    connection, head = upgrade(a.port, "haggle.v1")
    check.that("101" in head and "haggle.v1" in head, "haggle.v1 is", head)
    connection.close()

    garbage = {
        "random bytes": message(os.urandom(500)),
        "an empty record": message(b"\0\0"),
        "a record too long": message(b"\xff\xff" + bytes(70000)),
        "text": message(b"hello", opcode=1),
        "a bad first message": message(b"\0\x20" + bytes(32)),
        "ones for the key": message(b"\0\x20" + b"\xff" * 32),
        "no WebSocket frames": os.urandom(300),
        "a frame without a mask": b"\x82\x04\0\x02ab",
        "a size of 2^62": b"\x82\xff" + struct.pack(">Q", 1 << 62) + bytes(4),
    }
    for name, data in garbage.items():
        connection, head = upgrade(a.port, "haggle.v1")
        try:
            connection.sendall(data)
        except OSError:
            pass
        took = hung_up(connection)
        check.that(took is not None, f"{name}: the connection is closed")
        connection.close()
    for name, data in {"no HTTP": os.urandom(2000), "a page": b"GET /x HTTP/1.0\r\n\r\n",
                       "a head without end": b"GET / HTTP/1.1\r\nX: " + b"y" * 100000}.items():
        connection = connect(a.port)
        try:
            connection.sendall(data)
        except OSError:
            pass
        check.that(hung_up(connection) is not None, f"{name}: the connection is closed")
        connection.close()
    check.that(a.alive(), "the host goes on", a.said()[-2000:])
    check.that(len(a.said()) < 20000, "and did not fill its log", len(a.said()))


def half_open(check, a):
    before = a.memory_kib()
    descriptors = a.descriptors()
    idle = []
    for i in range(CONNECTIONS):
        try:
            if i % 2:
                idle.append(connect(a.port))
            else:
                idle.append(upgrade(a.port, "haggle.v1")[0])
        except OSError:
            pass
    # Some come while all places are taken: in the end everybody who has a key gets in.
    b = check.host("b", [ECHO], join=a.url)
    check.eventually(lambda: b.linked(a.did), "another host joins beside half-open connections",
                     seconds=45)
    check.that(a.call("describe")["did"] == a.did, "the operator is answered meanwhile")
    open_still = 0
    until = time.monotonic() + HANDSHAKE_S + 8
    for connection in idle:
        connection.settimeout(max(0.1, until - time.monotonic()))
        open_still += hung_up(connection) is None
        connection.close()
    check.that(open_still == 0, "half-open handshakes end by themselves", f"{open_still} do not")
    check.eventually(lambda: a.descriptors() <= descriptors + 3, "no descriptor is left behind",
                     detail=lambda: (descriptors, a.descriptors()))
    grown = a.memory_kib() - before
    check.that(grown < 60000, "nor memory", f"{grown} KiB more")
    check.that(b.linked(a.did), "the link holds")
    b.stop()


def slow_peer(check):
    receiver = check.host("receiver", ["receiver.lua"], binary=HAGGLE_RELEASE)
    sender = check.host("sender", ["sender.lua"], binary=HAGGLE_RELEASE, join=receiver.url)
    other = check.host("other", ["other.lua"], binary=HAGGLE_RELEASE, join=sender.url)
    # Of 3 KB each: more than may be queued towards one peer, less than an agent's outbox holds.
    most = 9000
    sender.ask("sender", "count/1.0/begin",
               {"to": f"{receiver.agents['receiver']}@{receiver.did}", "most": most})
    check.eventually(lambda: receiver.body("receiver", "count/1.0/report")["last"] > 100,
                     "messages flow")
    before = sender.memory_kib()
    receiver.signal(signal.SIGSTOP)
    until, highest, answers = time.monotonic() + STOPPED_S, before, 0
    while time.monotonic() < until:
        highest = max(highest, sender.memory_kib())
        answers += other.ask(f"{sender.agents['sender']}@{sender.did}", "count/1.0/report", {})[
            "body"]["sent"] > 0
        time.sleep(0.2)
    report = sender.body("sender", "count/1.0/report")
    print(f"{report['sent']} sent while the peer stands still; {before} → {highest} KiB", flush=True)
    # 16 MiB may be queued towards a peer; what was said is half as much again.
    check.that(highest - before < 24000, "memory is bounded while a peer does not read",
               f"{before} → {highest} KiB")
    check.that(answers > 10, "others are answered meanwhile", answers)
    receiver.signal(signal.SIGCONT)
    check.eventually(lambda: sender.body("sender", "count/1.0/report")["answered"] == most,
                     "once it reads again everything arrives", seconds=60,
                     detail=lambda: (sender.body("sender", "count/1.0/report"),
                                     receiver.body("receiver", "count/1.0/report"),
                                     sender.call("peers")))
    got = receiver.body("receiver", "count/1.0/report")
    check.that(got == {"last": most, "wrong": 0}, "each once and in order", got)
    check.that(sender.body("sender", "count/1.0/report")["undelivered"] == 0, "none was given up")


with Checks() as check:
    check.script("sender.lua", SENDER)
    check.script("receiver.lua", RECEIVER)
    check.script("other.lua", 'agent.on("other/1.0/x", function() end)')
    a = check.host("a", [ECHO])
    strangers(check, a)
    half_open(check, a)
    a.stop()
    slow_peer(check)
    check.stop_all()
