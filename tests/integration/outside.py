#!/usr/bin/env python3
# timeout: 180
"""What lies outside of an agent: HTTP with grants, secrets, redirects, answers without end, files that
are written, and kill -9 while a request goes on."""

import hmac
import http.server
import json
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, Checks  # noqa: E402

PIN = "pin7"
SECRET = "correct-horse-battery-staple"
AGENT = """
local haggle, http = require "haggle", require "haggle.http"
local crypto = require "haggle.crypto"

agent.on("http/1.0/get", function(message)
  local answer, why, code = http.get(message.body.url, message.body.options)
  message:reply("got", { answer = answer or haggle.null, why = why, code = code })
end)

agent.on("http/1.0/with_secret", function(message)
  local key = haggle.secret "key"
  log.info("the secret is " .. tostring(key))
  print("Bearer " .. key)
  log.info("fields", { key = tostring(key) })
  local kept, why = pcall(function() state.key = key end)
  local said, why_not = pcall(function() message:reply("got", { key = key }) end)
  local answer = http.get(message.body.url, { headers = { Authorization = "Bearer " .. key } })
  state.answer = answer
  message:reply("got", { answer = answer or haggle.null, kept = kept, said = said,
    why = tostring(why), why_not = tostring(why_not) })
end)

agent.on("http/1.0/sign", function(message)
  local mark, why, code = crypto.hmac_sha256(haggle.secret "key" .. ".v1", message.body.text)
  message:reply("signed", { mark = mark and haggle.tohex(mark), why = why, code = code })
end)

agent.on("http/1.0/echo", function(message)
  local first, second = haggle.secret "pin", haggle.secret "key"
  local answer, why, code = http.get(message.body.url, { max = 900000,
    headers = { ["X-Key-A"] = first, ["X-Other"] = second } })
  local left, names = answer and answer.body:gsub("%[secret pin%]", ""), {}
  for name in pairs(answer and answer.headers or {}) do names[#names + 1] = name end
  message:reply("got", { left = left, why = why, code = code, upper = answer and answer.headers["x-upper"],
    names = haggle.array(names) })
end)

agent.on("http/1.0/leak", function(message)
  local answer, why, code = http.get(message.body.url, { headers = { ["X-Key"] = haggle.secret "key" } })
  message:reply("got", { answer = answer or haggle.null, why = why, code = code })
end)

agent.on("http/1.0/post", function(message)
  state.begun = (state.begun or 0) + 1
  local answer, why, code = http.post(message.body.url, {
    headers = message.body.secret and { ["X-Key"] = haggle.secret "key" } or nil,
    json = { n = message.body.n }, repeat_safe = message.body.repeat_safe, within = "60s" })
  state.ended = (state.ended or 0) + 1
  state.outcome = { status = answer and answer.status, why = why, code = code }
end)
agent.on("http/1.0/outcome", function(message)
  message:reply("is", { begun = state.begun or 0, ended = state.ended or 0,
    outcome = state.outcome or haggle.null })
end)

agent.on("file/1.0/write", function(message)
  local done, why, code = host.write(message.body.path, message.body.text)
  message:reply("wrote", { done = done or false, why = why, code = code })
end)
agent.on("file/1.0/remove", function(message)
  local done, why, code = host.remove(message.body.path)
  message:reply("removed", { done = done or false, why = why, code = code })
end)
"""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.posts = []  # (Idempotency-Key, body)
        self.slow = threading.Event()  # set: POSTs are answered
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # clients that are killed


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/to?"):
            self.answer(302, Location=self.path[4:])
        elif self.path.startswith("/echo?"):  # each of them as often as it may be
            values = [value for name, value in self.headers.items() if name.startswith("X-Key")]
            self.answer(200, values[0].encode() * (int(self.path[6:]) // len(values[0])), kind="text/plain",
                        **{values[0]: "name", "X-Upper": values[0].upper()})
        elif self.path == "/leak":
            self.answer(302, Location=f"http://{self.headers['X-Key']}.example.org/")
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while True:
                self.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        elif self.path == "/hangs":
            time.sleep(60)
        else:
            self.answer(200, json.dumps({
                "path": self.path, "auth": self.headers.get("Authorization")}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.headers.get("Idempotency-Key"), body))
        self.server.slow.wait(60)
        self.answer(201, b"{}")


def inside(folder, text):
    """Whether any file below the folder holds the text."""
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            if os.path.isfile(full):
                with open(full, "rb") as file:
                    if text.encode() in file.read():
                        return full
    return None


with Checks() as check:
    server = Server()
    base = f"http://127.0.0.1:{server.server_port}"
    with open("agent.lua", "w", encoding="utf-8") as file:
        file.write(AGENT)
    with open("key", "w", encoding="utf-8") as file:
        file.write(SECRET + "\n")
    os.chmod("key", 0o600)
    os.mkdir("out")
    os.mkdir("elsewhere")
    out, elsewhere = os.path.abspath("out"), os.path.abspath("elsewhere")
    grants = [f"net=127.0.0.1:{server.server_port}", "secret=key", "secret=pin", f"write={out}/*"]
    os.environ["PIN"] = PIN
    options = ["--log-level", "debug", "--secret", "key=file:key", "--secret", "pin=env:PIN"]
    for grant in grants:
        options += ["--allow", grant]
    host = check.host("host", ["agent.lua"], options=options)
    name = next(name for name in host.agents if name != "operator")

    # HTTP and its grants
    got = host.body(name, "http/1.0/get", {"url": f"{base}/now", "options": {
        "query": {"city": "Graz & Wien"}}})
    check.that(got["answer"] and got["answer"]["status"] == 200 and
               got["answer"]["json"]["path"] == "/now?city=Graz%20%26%20Wien", "a GET is answered", got)
    got = host.body(name, "http/1.0/get", {"url": "http://127.0.0.2:80/"})
    check.that(got["code"] == "denied" and "net=127.0.0.2:80" in got["why"],
               "what is not granted is denied, with the grant to add", got)
    got = host.body(name, "http/1.0/get",
                    {"url": f"http://localhost:{server.server_port}/"})
    check.that(got["code"] == "denied", "another name of the same address is not granted", got)
    got = host.body(name, "http/1.0/get", {"url": f"{base}/to?http://127.0.0.2:80/inside"})
    check.that(got["code"] == "denied" and "127.0.0.2" in got["why"],
               "a redirect leads nowhere that is not granted", got)
    got = host.body(name, "http/1.0/get", {"url": f"{base}/to?/now"})
    check.that(got["answer"] and got["answer"]["url"] == f"{base}/now", "others are followed", got)
    got = host.body(name, "http/1.0/get", {"url": f"{base}/endless"})
    check.that(got["code"] == "too_large", "an answer without end is cut off", got)
    got = host.body(name, "http/1.0/get", {"url": f"{base}/hangs", "options": {"within": "300ms"}})
    check.that(got["code"] == "timeout", "one that does not come is not waited for", got)
    for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "http://user:x@127.0.0.1/", "no url"):
        got = host.body(name, "http/1.0/get", {"url": url})
        check.that(got["answer"] is None and got["code"] in ("invalid", "denied"), f"{url}: refused", got)

    # Secrets
    got = host.body(name, "http/1.0/with_secret", {"url": f"{base}/now"})
    check.that(got["answer"]["json"]["auth"] == "Bearer [secret key]",
               "what the server sends back of a secret is only its name", got)
    signed = host.body(name, "http/1.0/sign", {"text": "hello"})
    expected = hmac.new(f"{SECRET}.v1".encode(), b"hello", "sha256").hexdigest()
    check.that(signed["mark"] == expected, "a secret signs", signed)
    os.rename("key", "key.gone")
    signed = host.body(name, "http/1.0/sign", {"text": "hello"})
    check.that(signed["code"] == "not_found", "one that is gone does not", signed)
    os.rename("key.gone", "key")
    check.that(got["kept"] is False and got["said"] is False,
               "a secret cannot be kept or sent", got)
    check.eventually(lambda: "the secret is haggle.secret (key)" in host.said(), "nor printed",
                     detail=host.said)
    got = host.body(name, "http/1.0/echo", {"url": f"{base}/echo?9000"})
    check.that(got["left"] == "" and got["upper"] == "[secret pin]" and PIN not in got["names"],
               "nor in any other form of an answer", got)
    began = time.monotonic()
    got = host.body(name, "http/1.0/echo", {"url": f"{base}/echo?900000"})
    check.that(got.get("code") == "too_large" and time.monotonic() - began < 5,
               "and an answer full of it takes no time", (got, time.monotonic() - began))
    got = host.body(name, "http/1.0/leak", {"url": f"{base}/leak"})
    check.that(got["code"] == "denied" and SECRET not in got["why"] and "[secret key]" in got["why"],
               "nor is it in the name of a host that it was redirected to", got)
    host.stop()
    found = inside("host", SECRET)
    check.that(found is None, "its value is nowhere in the data folder", found)
    check.that(SECRET not in host.said() and SECRET.encode() not in host.said_out(), "nor in the log")
    check.that(inside("host", "Bearer [secret key]") is not None, "(where the answer is)")

    for words, text in ((["--secret", "key=file:missing"], "does not exist"),
                        (["--secret", "key=env:NOT_THERE_AT_ALL"], "the environment has no"),
                        (["--allow", "net=127.0.0.1"], "net=")):
        run = subprocess.run([HAGGLE, "run", "agent.lua", "--data", "bad", *words],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                             check=False)
        check.that(run.returncode != 0 and text in run.stderr, f"{words[1]} is refused at the start",
                   run.stderr)

    # kill -9 while a request goes on
    host.start()
    for safe, wanted in ((False, "unknown_outcome"), (True, None)):
        server.slow.clear()
        server.posts.clear()
        before = host.body(name, "http/1.0/outcome")
        host.call("send", to=name, type="http/1.0/post",
                  body={"url": f"{base}/order", "n": 1, "repeat_safe": safe})
        check.eventually(lambda: len(server.posts) == 1, "the request has arrived")
        host.kill()
        host.start()
        if safe:
            check.eventually(lambda: len(server.posts) == 2, "it is sent again after the crash")
            keys = {key for key, _ in server.posts}
            check.that(len(keys) == 1 and None not in keys, "with the same Idempotency-Key", keys)
            check.that(len({body for _, body in server.posts}) == 1, "and the same body", server.posts)
        server.slow.set()
        check.eventually(lambda: host.body(name, "http/1.0/outcome")["ended"] == before["ended"] + 1,
                         "the handler goes on")
        after = host.body(name, "http/1.0/outcome")
        check.that(after["begun"] == before["begun"] + 1, "from where it waited", after)
        if safe:
            check.that(after["outcome"].get("status") == 201, "with the answer", after)
        else:
            check.that(after["outcome"].get("code") == wanted and len(server.posts) == 1,
                       "knowing that nobody knows", after)

    # A grant that is gone when its turn comes
    server.slow.clear()
    server.posts.clear()
    before = host.body(name, "http/1.0/outcome")
    host.call("send", to=name, type="http/1.0/post",
              body={"url": f"{base}/order", "n": 1, "repeat_safe": True, "secret": True})
    check.eventually(lambda: len(server.posts) == 1, "a request with a secret has arrived")
    host.kill()
    options = host.options
    at = options.index("secret=key")
    host.options = options[:at - 1] + options[at + 1:]
    host.start()
    check.eventually(lambda: host.body(name, "http/1.0/outcome")["ended"] == before["ended"] + 1,
                     "the handler goes on")
    after = host.body(name, "http/1.0/outcome")["outcome"]
    check.that(after.get("code") == "denied" and len(server.posts) == 1,
               "without the secret, whose grant is gone", after)
    server.slow.set()

    # Files
    wrote = host.body(name, "file/1.0/write", {"path": f"{out}/a.txt", "text": "one"})
    check.that(wrote["done"] and open(f"{out}/a.txt", encoding="utf-8").read() == "one",
               "a granted file is written", wrote)
    os.symlink(elsewhere, f"{out}/link")
    for path in (f"{elsewhere}/b.txt", f"{out}/../elsewhere/b.txt", f"{out}/link/b.txt"):
        wrote = host.body(name, "file/1.0/write", {"path": path, "text": "x"})
        check.that(not wrote["done"] and wrote["code"] == "denied", f"{path} is denied", wrote)
    check.that(os.listdir(elsewhere) == [], "and nothing is there", os.listdir(elsewhere))
    removed = host.body(name, "file/1.0/remove", {"path": f"{out}/a.txt"})
    check.that(removed["done"] and sorted(os.listdir(out)) == ["link"], "a file is removed, and no "
               "other is left", os.listdir(out))
    check.that(host.stop() == 0, "the host stops")
