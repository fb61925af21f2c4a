#!/usr/bin/env python3
# waits
"""Agents that answer HTTP on the port of a real host: routes, tokens, bodies, TLS, slow and hostile
clients beside peers that link, and kill -9 while a request is being handled."""

import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from hosts import HAGGLE, Checks  # noqa: E402

AGENT = r"""
agent.on_http("GET", "/forecast", function(request)
  state.served = (state.served or 0) + 1
  return { city = request.query.city, served = state.served }
end)
agent.on_http("GET", "/lots/:id", function(request) return { lot = request.params.id } end)
agent.on_http("POST", "/echo", function(request)
  return request:answer(200, request.body, { ["X-Size"] = tostring(#request.body) })
end)
agent.on_http("POST", "/slow", function(request)
  state.begun = (state.begun or 0) + 1
  agent.sleep "2s"
  state.ended = (state.ended or 0) + 1
  return { n = request.json.n }
end)
agent.on_http("GET", "/counts", function()
  return { begun = state.begun or 0, ended = state.ended or 0 }
end)
"""


def port_of(host):
    return urllib.parse.urlsplit(host.url).port


def ask(port, method, path, body=None, headers=None, context=None):
    """(status, headers, body)"""
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def raw(port, data, until=None, timeout=30):
    """All that comes until the other end closes, or until a text is there."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        client.sendall(data)
        got = b""
        while until is None or until not in got:
            piece = client.recv(65536)
            if not piece:
                break
            got += piece
        return got


def token_of(data, name, *words):
    return subprocess.run([HAGGLE, "agent", "token", name, "--data", data, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=True).stdout.strip()


with Checks() as check:
    for name in ("open", "guarded", "closed"):
        with open(f"{name}.lua", "w", encoding="utf-8") as file:
            file.write(AGENT)
    scripts = ["open.lua", "guarded.lua", "closed.lua"]
    grants = ["--allow", "open:http=open", "--allow", "guarded:http=token"]
    host = check.host("host", scripts, options=grants)
    port = port_of(host)

    # Routes and errors
    status, headers, body = ask(port, "GET", "/agents/open/forecast?city=Gr%C3%A4z+1")
    check.that(status == 200 and json.loads(body)["city"] == "Gräz 1", "a handler answers", body)
    check.that(headers["Content-Type"] == "application/json", "in JSON", headers)
    check.that(headers["Content-Security-Policy"].startswith("sandbox ") and
               "same-origin" not in headers["Content-Security-Policy"] and
               headers["X-Content-Type-Options"] == "nosniff",
               "a page of an agent is an origin of its own", headers)
    status, headers, body = ask(port, "HEAD", "/agents/open/forecast")
    check.that(status == 200 and body == b"" and int(headers["Content-Length"]) > 5,
               "HEAD gets a length and no body", headers)
    for path, wanted in (("/agents/open/none", 404), ("/agents/nobody/", 404), ("/elsewhere", 404),
                         ("/api/x", 404), ("/agents/closed/forecast", 403),
                         ("/agents/open/lots/a%2Fb", 400), ("/agents/open/../guarded/x", 400),
                         ("/agents/open/%2e%2e/x", 400), ("/agents/open/%00", 400),
                         ("/agents/open/%zz", 400)):
        status, _, body = ask(port, "GET", path)
        check.that(status == wanted and "code" in json.loads(body)["error"], f"{path}: {wanted}",
                   (status, body))
    for name, wanted in ((f"127.0.0.1:{port}", 200), ("localhost", 200), ("evil.example", 403),
                         (f"127.0.0.1.evil.example:{port}", 403)):
        status, _, body = ask(port, "GET", "/agents/open/counts", headers={"Host": name})
        check.that(status == wanted, f"asked as {name}: {wanted}", body)
    check.that(b"http=token" in body, "with what to do about it", body)
    status, headers, _ = ask(port, "DELETE", "/agents/open/forecast")
    check.that(status == 405 and headers["Allow"] == "GET, HEAD", "another method", headers)
    agents = {agent["name"]: agent for agent in host.call("agents")}
    check.that("GET /lots/:id" in agents["open"]["routes"], "the host names the routes")

    # Tokens
    token = token_of("host", "guarded")
    mode = stat.S_IMODE(os.stat("host/tokens/guarded").st_mode)
    check.that(mode == 0o600, "the token is its owner's only", oct(mode))
    show = {"Authorization": f"Bearer {token}"}
    check.that(ask(port, "GET", "/agents/guarded/forecast")[0] == 401, "no token")
    check.that(ask(port, "GET", "/agents/guarded/forecast", headers=show)[0] == 200, "the token")
    check.that(ask(port, "GET", "/agents/guarded/forecast",
                   headers={**show, "Host": "kiosk.example"})[0] == 200, "under any name")
    renewed = token_of("host", "guarded", "--renew")
    check.that(renewed != token and token_of("host", "guarded") == renewed, "a new one")
    check.that(ask(port, "GET", "/agents/guarded/forecast", headers=show)[0] == 401,
               "makes the old one void")
    statuses = [ask(port, "GET", "/agents/guarded/forecast", headers=show)[0] for _ in range(12)]
    check.that(statuses[-1] == 429, "who guesses has to wait", statuses)
    check.that(token not in host.said() and renewed not in host.said(), "no token is logged")

    # Bodies
    big = os.urandom(1 << 20)
    status, headers, body = ask(port, "POST", "/agents/open/echo", body=big)
    check.that(status == 200 and body == big and headers["X-Size"] == str(1 << 20),
               "1 MiB there and back", (status, len(body)))
    check.that(ask(port, "POST", "/agents/open/echo", body=iter([big[:70000], b"end"]))[2] ==
               big[:70000] + b"end", "in chunks")
    got = raw(port, b"POST /agents/open/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n")
    check.that(got.startswith(b"HTTP/1.1 413"), "one byte more is refused before it comes", got)
    got = raw(port, b"POST /agents/open/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
                    b"Expect: 100-continue\r\nConnection: close\r\n\r\n", until=b"100 Continue\r\n\r\n")
    check.that(got.startswith(b"HTTP/1.1 100"), "100-continue", got)

    # Pipelined, and hostile
    one = b"GET /agents/open/lots/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
    got = raw(port, b"".join(one % i for i in range(20)) +
              b"GET /agents/open/lots/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    lots = [part.split(b'"')[3] for part in got.split(b"\r\n\r\n")[1:]]
    check.that(lots == [b"%d" % i for i in range(20)] + [b"last"], "pipelined ones, in order", lots)
    for line, wanted in ((b"GET / HTTP/1.1\r\n\r\n", b"400"),
                         (b"GET / HTTP/1.1\nHost: localhost\n\n", b"400"),
                         (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400"),
                         (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n", b"400"),
                         (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n", b"400"),
                         (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                          b"Content-Length: 2\r\n\r\n", b"400"),
                         (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"505"),
                         (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"501"),
                         (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000, b"431")):
        got = raw(port, line)
        check.that(got.startswith(b"HTTP/1.1 " + wanted), f"{line[:60]}: {wanted}", got[:200])

    # Hundreds of connections, slow ones among them, and peers still link
    idle = []
    for i in range(300):
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        client.sendall((b"GET /agents/open/counts HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        b"POST /agents/open/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
                        b"GET /agents/open/counts HTTP/1.1\r\nHo")[i % 3])
        idle.append(client)
    check.that(ask(port, "GET", "/agents/open/counts")[0] in (200, 503), "something is answered")
    peer = check.host("peer", [], join=host.url)
    check.eventually(lambda: any(row["linked"] for row in peer.call("peers")), "a peer links")
    for client in idle:
        client.close()
    check.eventually(lambda: ask(port, "GET", "/agents/open/counts")[0] == 200, "and all is well")
    peer.stop()

    # kill -9 while a request is being handled
    answers = []

    def wait_for_slow():
        try:
            answers.append(ask(port, "POST", "/agents/open/slow", body=b'{"n":1}',
                               headers={"Content-Type": "application/json"}))
        except (OSError, http.client.HTTPException) as broken:
            answers.append(broken)

    waiting = threading.Thread(target=wait_for_slow)
    waiting.start()
    check.eventually(lambda: json.loads(ask(port, "GET", "/agents/open/counts")[2])["begun"] == 1,
                     "a handler has begun")
    host.kill()
    waiting.join(30)
    check.that(answers and isinstance(answers[0], Exception), "its client sees a broken connection",
               answers)
    host.start()
    port = port_of(host)
    check.eventually(lambda: json.loads(ask(port, "GET", "/agents/open/counts")[2]) ==
                     {"begun": 1, "ended": 1}, "its handler goes on to its end")
    status, _, body = ask(port, "POST", "/agents/open/slow", body=b'{"n":2}',
                          headers={"Content-Type": "application/json"})
    check.that(status == 200 and json.loads(body) == {"n": 2}, "others are answered", body)
    check.that(ask(port, "POST", "/agents/open/slow", body=b'{"n":',
                   headers={"Content-Type": "application/json"})[0] == 400, "broken JSON")

    # Paused, and stopped while a request waits
    host.call("agent.pause", name="open")
    status, headers, _ = ask(port, "GET", "/agents/open/counts")
    check.that(status == 503 and headers["Retry-After"], "one that is paused is not there", status)
    host.call("agent.resume", name="open")
    answers.clear()
    waiting = threading.Thread(target=wait_for_slow)
    waiting.start()
    check.eventually(lambda: json.loads(ask(port, "GET", "/agents/open/counts")[2])["begun"] == 3,
                     "another has begun")
    check.that(host.stop() == 0, "the host stops")
    waiting.join(30)
    check.that(answers and not isinstance(answers[0], Exception) and answers[0][0] == 500,
               "and says that it does", answers)

    # TLS on the same port: https, and wss for peers
    secure = check.host("secure", scripts, options=[*grants, "--tls", "self-signed"])
    context = ssl.create_default_context(cafile="secure/tls-certificate.pem")
    port = port_of(secure)
    status, _, body = ask(port, "POST", "/agents/open/echo", body=big, context=context)
    check.that(status == 200 and body == big, "https with 1 MiB", (status, len(body)))
    check.that(secure.url.startswith("wss://"), "beside wss", secure.url)
    guest = check.host("guest", [], join=secure.url)
    check.eventually(lambda: any(row["linked"] for row in guest.call("peers")), "a peer links")
    try:
        plain = raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    except ConnectionResetError:
        plain = b""
    check.that(not plain.startswith(b"HTTP"), "in the clear nothing is said", plain)
    began = time.monotonic()
    silent = socket.create_connection(("127.0.0.1", port), timeout=30)
    silent.sendall(b"\x16\x03\x01")
    check.that(silent.recv(16) == b"" and time.monotonic() - began < 25, "the silent are cut off")
    silent.close()
    guest.stop()
    check.that(secure.stop() == 0, "it stops")
