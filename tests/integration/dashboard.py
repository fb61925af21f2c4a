#!/usr/bin/env python3
# waits
"""The way into a host's dashboard, without a browser: what lies at the paths of its port, who is let in
under which name, from which page and with which token, and what each role may call. With TLS, and across
a restart."""

import gzip
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from feed import Closed, Feed, Refused  # noqa: E402
from hosts import HAGGLE, TREE, Checks, free_port  # noqa: E402

AGENT = """
agent.on("note/1.0/say", function(message) log.info "heard" end)
"""
DENIED, GOING_AWAY = 4401, 1001
# Of CONTROL.md: what nobody may call over a WebSocket.
OWNERS = ["stop", "backup", "agent.add", "tail", "dashboard"]
# Calls that only look: a viewer may have them.
LOOKS = ["hello", "subscribe", "unsubscribe", "describe", "agents", "peers", "find", "find.explain", "advert",
         "agent.protocols", "agent.timers", "agent.source", "agent.state", "trace", "deals", "proofs", "dead.list",
         "dead.show", "runs.list", "runs.show", "export", "message", "dialogue", "dialogues",
         "models", "complete"]


class Answer:
    def __init__(self, port, path, method="GET", tls=False, **headers):
        kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        more = {"context": ssl._create_unverified_context()} if tls else {}
        connection = kind("127.0.0.1", port, timeout=20, **more)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()
        connection.close()

    def error(self):
        return json.loads(self.body)["error"]


def token_of(link):
    return link.split("#token=")[1]


def calls_of_the_page():
    with open(os.path.join(TREE, "runtime/host/CONTROL.md"), encoding="utf-8") as file:
        table = file.read().split("| Call |", 1)[1].split("\n\n", 1)[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.M)
    return {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)}


def pages(check, port):
    page = Answer(port, "/")
    if page.status == 503:
        check.says("built without its dashboard", page.body.decode(), "without npm the page says so")
        return
    check.that(page.status == 200 and b"<!doctype html>" in gzip.decompress(page.body), "the page opens without a token",
               page.status)
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'",
                 "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"):
        check.says(part, policy, "a strict policy")
    check.that("unsafe" not in policy, "which has no exception", policy)
    for name, value in (("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
                        ("cross-origin-opener-policy", "same-origin"),
                        ("cross-origin-resource-policy", "same-origin"), ("cache-control", "no-cache")):
        check.that(page.headers[name] == value, f"{name} is {value}", page.headers[name])
    parts = re.findall(r'(?:src|href)="(assets/[^"]+)"', gzip.decompress(page.body).decode())
    check.that(len(parts) >= 3, "the page is made of parts", parts)
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    total = len(page.body)
    for part in parts:
        answer = Answer(port, f"/{part}", Accept_Encoding="br, gzip;q=0.5")
        check.that(answer.status == 200 and answer.headers["content-type"] == types[part.rsplit(".", 1)[1]],
                   f"{part} is there", (answer.status, answer.headers["content-type"]))
        total += len(answer.body)
        again = Answer(port, f"/{part}", If_None_Match=answer.headers["etag"])
        check.that(again.status == 304 and not again.body, f"{part} is not sent twice", again.status)
        other = Answer(port, f"/{part}", If_None_Match='"other"')
        check.that(other.status == 200, f"{part} is sent when what is known is another", other.status)
    check.that(total < 100 * 1024, "all of it is small", total)
    head = Answer(port, "/", "HEAD")
    check.that(head.status == 200 and not head.body and head.headers["etag"], "HEAD tells of it", head.status)
    for codings, wanted in (("identity", 406), ("gzip;q=0", 406), ("gzip;q=0.000, br", 406), ("gzip;q=0.001", 200),
                            ("*", 200), ("deflate, *;q=0", 406), ("br;q=1.0, gzip", 200)):
        check.that(Answer(port, "/", Accept_Encoding=codings).status == wanted, f"who takes {codings}")
    check.that(Answer(port, "/", "POST").status == 405, "one only looks")
    for path in ("/assets/", "/assets/none.js", "/assets/..%2f", "/index.html", "/api/", "/api/feed/x", "/metricsx"):
        check.that(Answer(port, path).status in (400, 404), f"nothing is at {path}", Answer(port, path).status)


def names_and_origins(check, port, token):
    good = [f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST", "[::1]", "192.0.2.7", "east.example.org",
            "East.Example.Org:443", "a.localhost"]
    bad = ["evil.example", "east.example.org.evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "",
           "east.example.org:x", "[::1", "127.0.0.1@evil.example", "1.2.3"]
    for host in good:
        for path in ("/", "/assets/none"):
            status = Answer(port, path, Host=host).status
            check.that(status not in (421, 403), f"{path} is asked of {host}", status)
    for host in bad:
        status = Answer(port, "/", Host=host).status
        check.that(status == 421, f"{host!r} is none of our names", status)
        check.that(Answer(port, "/healthz", Host=host).status == 200, "but health is told to anybody")
    for host, origin, wanted in ((f"127.0.0.1:{port}", f"http://127.0.0.1:{port}", 101),
                                 ("east.example.org", "https://east.example.org", 101),
                                 ("east.example.org:443", "https://EAST.example.org", 101),
                                 ("[::1]:80", "http://[::1]", 101),
                                 (f"127.0.0.1:{port}", None, 101),
                                 (f"127.0.0.1:{port}", "http://evil.example", 403),
                                 (f"127.0.0.1:{port}", f"http://localhost:{port}", 403),
                                 (f"127.0.0.1:{port}", "http://127.0.0.1", 403),
                                 (f"127.0.0.1:{port}", "null", 403),
                                 (f"127.0.0.1:{port}", "", 403),
                                 (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}@evil.example", 403),
                                 (f"127.0.0.1:{port}", f"file://127.0.0.1:{port}", 403),
                                 ("evil.example", "http://evil.example", 421)):
        try:
            feed = Feed(port, headers={"Host": host, "Origin": origin})
            status = 101 if feed.ask("hello", token=token)["ok"] else 0
            feed.close()
        except Refused as refused:
            status = refused.status
        check.that(status == wanted, f"the feed of {host} is asked by a page of {origin}", status)
    for protocol, path, wanted in (("haggle.feed.v2", "/api/feed", 426), ("haggle.feed.v1", "/", 200),
                                   ("haggle.feed.v1", "/api/other", 404)):
        try:
            Feed(port, path, protocol=protocol)
            status = 101
        except Refused as refused:
            status = refused.status
        check.that(status in (wanted, 503 if path == "/" else wanted), f"{protocol} at {path}", status)


def numbers(check, port, token):
    health = Answer(port, "/healthz")
    check.that((health.status, health.body) == (200, b"ok\n"), "it is well", (health.status, health.body))
    metrics = Answer(port, "/metrics")
    check.that(metrics.status == 200 and metrics.headers["content-type"].startswith("text/plain; version=0.0.4"),
               "a program of this machine has the numbers", metrics.status)
    check.says("# TYPE haggle_commits_total counter\nhaggle_commits_total ", metrics.body.decode(), "as Prometheus reads")
    for headers in ({"Host": "192.0.2.7"}, {"Host": "east.example.org"}, {"X-Forwarded-For": "192.0.2.7"},
                    {"Forwarded": "for=192.0.2.7"}, {"Via": "1.1 proxy"}, {"X-Real-IP": "192.0.2.7"}):
        check.that(Answer(port, "/metrics", **headers).status == 401, f"others have not: {headers}")
        answer = Answer(port, "/metrics", Authorization=f"Bearer {token}", **headers)
        check.that(answer.status == 200, f"but with a token: {headers}", answer.status)
    check.that(Answer(port, "/metrics", Host="192.0.2.7", Authorization=f"Basic {token}").status == 401,
               "a token of another kind is none")


def hung_up(feed):
    """How the host closes, after what it still has to say; None: it does not."""
    try:
        for _ in range(20):
            feed.message()
    except Closed as closed:
        return closed
    except OSError:
        pass
    return None


def denied(check, port, first, what):
    """What the feed says to this first text, before it hangs up."""
    feed = Feed(port)
    feed.send(first)
    try:
        answer = feed.message()
        check.that(not answer["ok"], f"{what} is refused", answer)
        feed.message()
        check.that(False, f"{what} ends with a closed feed")
    except Closed as closed:
        check.that((closed.status, closed.why) == (DENIED, "no token that counts"), f"{what} ends with a closed feed",
                   str(closed))
    return answer["error"]


def roles(check, host, viewer, operator):
    port = host.port
    error = denied(check, port, b'{"call":"describe"}', "a call before hello")
    check.says("say hello first", error["message"], "which says what is missing")
    denied(check, port, b'{"call":"subscribe","topic":"overview","as":"o"}', "a subscription before hello")
    denied(check, port, b'{"call":"hello"}', "a hello without a token")
    denied(check, port, b'{"call":"hello","token":"%s"}' % viewer[:-1].encode(), "a wrong token")
    denied(check, port, b"{", "half an object")
    denied(check, port, b"[]", "what is no object")
    looks, acts = Feed(port), Feed(port)
    hello = looks.ask("hello", token=viewer)["result"]
    check.that(hello["role"] == "viewer" and hello["host"] == host.did and hello["feed"] == 1 and
               hello["started_ms"] <= hello["now_ms"], "hello tells the role and the host", hello)
    check.that(acts.ask("hello", token=operator)["result"]["role"] == "operator", "an operator is one")
    check.that(looks.ask("hello")["result"]["role"] == "viewer", "a second hello changes nothing")
    for call in sorted(calls_of_the_page() - {"hello", "stop", "backup"}):
        as_viewer, as_operator = looks.ask(call), None
        refused = not as_viewer["ok"] and as_viewer["error"]["code"] == "denied"
        check.that(refused == (call not in LOOKS), f"a viewer and {call}", as_viewer)
        if call in OWNERS:
            as_operator = acts.ask(call)
            check.that(not as_operator["ok"] and as_operator["error"]["code"] == "denied", f"an operator and {call}",
                       as_operator)
    for call in ("stop", "backup"):
        for feed in (looks, acts):
            check.that(feed.ask(call, to="/tmp/x")["error"]["code"] == "denied", f"nobody may {call}")
    answer = acts.ask("agent.pause", name="note")
    check.that(answer["ok"] and answer["result"]["status"] == "paused", "an operator pauses an agent", answer)
    check.that(acts.ask("agent.resume", name="note")["ok"], "and lets it go on")
    check.that(not acts.ask("agent.pause", name="no\nsuch\x1b[31m")["ok"], "but none that is not there")
    check.eventually(lambda: "127.0.0.1 (web): agent.pause name=\"note\"" in host.said(), "which is in the log",
                     detail=lambda: host.said()[-600:])
    check.that("\x1b" not in host.said() and "agent.pause name=\"no\\nsuch" in host.said(),
               "in one line, whatever the name", host.said()[-300:])
    looks.ask("subscribe", topic="overview", **{"as": "o"})
    event = looks.event()
    check.that(event.get("event") == "overview" and event["whole"], "a viewer is told what happens", str(event)[:200])
    return looks, acts


def guessing(check, host, token):
    codes, port = [], host.port
    for number in range(30):
        feed = Feed(port)
        codes.append(feed.ask("hello", token=f"guess-{number}")["error"]["code"])
        feed.close()
    check.that(codes[0] == "denied" and codes[-1] == "limit", "who guesses is put off", codes)
    check.that(Answer(port, "/metrics", Host="192.0.2.7", Authorization="Bearer x").status == 429, "everywhere")
    feed = Feed(port)
    check.that(feed.ask("hello", token=token)["ok"], "who has the token is not")
    feed.close()
    said = host.said()
    check.that("others within this minute are not logged" in said and said.count(" is refused: ") <= 20,
               "which does not fill the log", said.count(" is refused: "))


def renewal(check, host, looks, acts, old):
    said = check.haggle("dashboard", "--data", host.data, "--renew", "viewer", "--json")
    links = json.loads(said.stdout)
    new = token_of(links["viewer"])
    check.that(new != old and len(new) == 43, "a token is made anew", said.stderr)
    closed = hung_up(looks)
    check.that(closed and closed.status == DENIED, "who looked with the old one is hung up on", closed)
    check.that(acts.ask("describe")["ok"], "others are not")
    check.that(not Feed(host.port).ask("hello", token=old)["ok"], "the old one opens nothing")
    check.that(Feed(host.port).ask("hello", token=new)["ok"], "the new one does")
    text = check.haggle("dashboard", "--data", host.data).stdout
    check.that(links["viewer"] in text and links["operator"] in text, "the links are printed", text)
    check.that(links["urls"] == ["https://east.example.org/"] and "elsewhere  https://east.example.org/ " in text,
               "and where others find the page", text)
    for arguments in (["--renew", "owner"], ["x"]):
        check.that(check.haggle("dashboard", *arguments).returncode == 2, f"haggle dashboard {arguments} is no use")
    return new


def places(check, port, viewer, operator):
    feeds, refused = [], None
    for _ in range(40):
        feed = Feed(port)
        answer = feed.ask("hello", token=viewer)
        if not answer["ok"]:
            refused = answer["error"]
            break
        feeds.append(feed)
    check.that(len(feeds) in (15, 16) and refused["code"] == "limit", "viewers of one address have so many places",
               (len(feeds), refused))
    more = Feed(port)
    check.that(more.ask("hello", token=operator)["ok"], "an operator has one beside them")
    for feed in [*feeds, more]:
        feed.close()


def journal(check):
    """Where others read what a host prints, it prints no token."""
    with open("two.out", "w+b") as out:
        place = os.fstat(out.fileno())
        process = subprocess.Popen([HAGGLE, "run", "note.lua", "--data", "two"], stdout=out, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "JOURNAL_STREAM": f"{place.st_dev}:{place.st_ino}"})
        said = check.eventually(lambda: (text := open("two.out", encoding="utf-8").read()).count("agents") and text,
                                "a host starts under a service manager")
        process.terminate()
        check.that(process.wait(30) == 0, "and ends well")
    check.says("dashboard http://127.0.0.1:", said, "the journal has the address")
    check.that("token" not in said, "and no token", said)


def main():
    with Checks() as check:
        check.script("note.lua", AGENT)
        listen = f"127.0.0.1:{free_port()}"
        host = check.host("one", ["note.lua"], options=["--url", "wss://east.example.org"], listen=listen)
        host.listen = listen  # where it is dialled is elsewhere
        started = json.loads(host.said_out())["dashboard"]
        base = f"http://127.0.0.1:{host.port}/"
        check.that(started["url"] == base and started["viewer"].startswith(base + "#token="), "where it is is told",
                   started)
        viewer, operator = token_of(started["viewer"]), token_of(started["operator"])
        for name in ("@viewer", "@operator"):
            check.that(os.stat(f"one/tokens/{name}").st_mode & 0o777 == 0o600, f"{name} is for its owner only")
        silent, silent_since = Feed(host.port), time.monotonic()
        pages(check, host.port)
        names_and_origins(check, host.port, viewer)
        numbers(check, host.port, viewer)
        looks, acts = roles(check, host, viewer, operator)
        guessing(check, host, viewer)
        viewer = renewal(check, host, looks, acts, viewer)
        places(check, host.port, viewer, operator)
        closed = hung_up(silent)
        check.that(closed and closed.status == DENIED and time.monotonic() - silent_since > 4,
                   "who says nothing is hung up on", closed)
        host.signal(15)
        closed = hung_up(acts)
        check.that(closed and closed.status == GOING_AWAY, "a host that stops says so", closed)
        check.that(host.wait() == 0, "and stops", host.said()[-500:])
        check.that(viewer not in host.said() and operator not in host.said(), "no token is in the log")
        host.options += ["--tls", "self-signed"]
        host.start().listen = listen
        links = json.loads(host.said_out().splitlines()[-1])["dashboard"]
        check.that(links["url"].startswith("https://") and token_of(links["viewer"]) == viewer,
                   "with TLS the links say so; tokens outlive a restart", links["url"])
        check.that(Answer(host.port, "/healthz", tls=True).status == 200, "TLS is around all of it")
        secure = Feed(host.port, tls=True, headers={"Origin": links["url"].rstrip("/")})
        check.that(secure.ask("hello", token=operator)["ok"], "the feed too")
        secure.ask("subscribe", topic="overview", **{"as": "o"})
        check.that(secure.event()["event"] == "overview", "with its events")
        socket.create_connection(("127.0.0.1", host.port)).close()  # as a browser that changes its mind
        host.stop()
        check.that(" warn " not in host.said() and " error " not in host.said(), "which is nothing to be warned of",
                   host.said()[-400:])
        check.that(check.haggle("dashboard", "--data", "one", "--renew", "operator").returncode == 0,
                   "a token can be renewed while no host runs")
        with open("one/tokens/@operator", encoding="ascii") as file:
            check.that(file.read().strip() != operator, "which makes another")
        check.that(check.haggle("dashboard", "--data", "one").returncode == 1, "but there is no link then")
        journal(check)
        check.stop_all()


main()
