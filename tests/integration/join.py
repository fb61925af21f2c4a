#!/usr/bin/env python3
# timeout: 150
"""Joining: wss with a self-signed pair, the wrong key, a port where nobody is yet, addresses without
a key, and the same listener twice."""

import os
import socket
import ssl
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import TREE, Checks, free_port  # noqa: E402

ECHO = os.path.join(TREE, "agents/echo/agent.lua")
STRANGER = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


with Checks() as check:
    # wss
    a = check.host("a", [ECHO], options=["--tls", "self-signed"])
    check.that(a.url.startswith("wss://127.0.0.1:"), "the join URL is wss://", a.url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", a.port), 10) as plain:
        with context.wrap_socket(plain) as wrapped:
            check.that(wrapped.version() in ("TLSv1.2", "TLSv1.3"), "the port speaks TLS",
                       wrapped.version())
    b = check.host("b", join=a.url)
    check.eventually(lambda: b.linked(a.did), "a self-signed pair does for a host whose key is known")
    said = check.eventually(
        lambda: b.ask(a.agents["agent" if "agent" in a.agents else "echo"], "echo/1.0/say",
                      {"text": "x"}), "messages pass over wss")
    check.that(said and said["body"]["text"] == "x", "and come back", said)
    mode = os.stat("a/tls-key.pem").st_mode & 0o777
    check.that(mode == 0o600, "the TLS key is the owner's", oct(mode))
    pair = (open("a/tls-certificate.pem").read(), open("a/tls-key.pem").read())
    check.that(a.stop() == 0, "A stops")
    a.start()
    check.that(pair == (open("a/tls-certificate.pem").read(), open("a/tls-key.pem").read()),
               "the pair stays the same")
    check.eventually(lambda: b.linked(a.did), "they link again after a restart")

    # wss without a key: the certificate would have to tell who it is, and does not
    unnamed = check.host("unnamed", join=a.url.split("#")[0])
    check.eventually(lambda: "cannot reach wss://" in unnamed.said(),
                     "a self-signed pair does not do without a key")
    check.that(unnamed.call("peers") == [], "and no link comes of it", unnamed.call("peers"))
    trusted = check.host("trusted", join=a.url.split("#")[0],
                         options=["--trust", "a/tls-certificate.pem"])
    check.eventually(lambda: trusted.linked(a.did), "unless its certificate is trusted",
                     detail=trusted.said)
    # ws:// against a wss port
    plain = check.host("plain", join=a.url.replace("wss://", "ws://"))
    check.eventually(lambda: "cannot reach ws://" in plain.said(), "ws:// to a wss port says so")

    # the wrong key
    c = check.host("c", [ECHO])
    wrong = check.host("wrong", join=f"{c.url.split('#')[0]}#{STRANGER}")
    check.eventually(lambda: "(wrong_peer)" in wrong.said(), "the wrong key is wrong_peer",
                     detail=wrong.said)
    check.says(f"cannot reach {c.url.split('#')[0]}", wrong.said(), "and says which address")
    check.that(not wrong.linked(c.did), "and no link comes of it")
    check.that(not c.linked(wrong.did), "on either side")
    check.that(wrong.said().count("(wrong_peer)") < 5, "and it is not said again and again",
               wrong.said().count("(wrong_peer)"))

    # without a key: whoever answers is pinned, and said so
    pinned = check.host("pinned", join=c.url.split("#")[0])
    check.eventually(lambda: pinned.linked(c.did), "an address without a key links with whoever answers")
    check.says(f"--join {c.url}", pinned.said(), "and names the whole address for next time")

    # itself
    port = free_port()
    own = check.host("own", [ECHO], listen=f"127.0.0.1:{port}", join=f"ws://127.0.0.1:{port}")
    check.eventually(lambda: f"127.0.0.1:{port}" in own.said(), "joining itself is said")
    check.that(own.alive() and own.call("peers") == [], "and does nothing else")

    # nobody there yet
    port = free_port()
    early = check.host("early", join=f"ws://127.0.0.1:{port}")
    check.eventually(lambda: "cannot reach" in early.said(), "a dead port is said")
    late = check.host("late", [ECHO], listen=f"127.0.0.1:{port}")
    check.eventually(lambda: early.linked(late.did), "and joined when somebody comes",
                     detail=early.said)
    check.that(early.said().count("cannot reach") <= 2, "said once, not at every attempt",
               early.said())
    # it dies and returns
    late.kill()
    check.eventually(lambda: not early.linked(late.did), "the loss is seen")
    late.start()
    check.eventually(lambda: early.linked(late.did), "and mended")

    check.stop_all()
