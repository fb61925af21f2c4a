#!/usr/bin/env python3
# timeout: 180
"""Engines that are not in the host's own hands: one in a process of its own, which dies, and servers
that speak OpenAI's API."""

import http.server
import json
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, Checks  # noqa: E402

ENGINE = os.path.join(os.path.dirname(HAGGLE), "tests/engines/haggle-engine-test.so")
AGENT = """
agent.on("m/1.0/ask", function(message)
  local out, why, code = agent.infer(message.body.model, message.body.inputs, { within = "20s" })
  message:reply("told", { out = out, why = why, code = code })
end)
"""


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with the last message in capitals, in pieces when it is asked to stream."""
    protocol_version = "HTTP/1.1"
    seen = []

    def do_POST(self):  # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, self.headers.get("Authorization"), body))
        said = body["messages"][-1]["content"].upper()
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        if not body.get("stream"):
            return self.send("application/json", json.dumps({
                "choices": [{"message": {"content": said}, "finish_reason": "stop"}],
                "usage": usage}))
        events = [{"choices": [{"delta": {"content": c}}]} for c in said]
        events += [{"choices": [{"delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}]
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return self.send("text/event-stream", text + "data: [DONE]\n\n")

    def send(self, kind, text):
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def engine_processes(host):
    """The processes of engines that this host has begun."""
    found = []
    with open(f"/proc/{host.pid}/task/{host.pid}/children") as children:
        found += children.read().split()
    for task in os.listdir(f"/proc/{host.pid}/task"):
        with open(f"/proc/{host.pid}/task/{task}/children") as children:
            found += children.read().split()
    processes = set()
    for pid in found:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            if b"infer-process" in line.read():
                processes.add(int(pid))
    return processes


def a_process_that_dies(check, script):
    host = check.host("own", [script], options=(
        "--model", f"m=good,engine={ENGINE},process=own", "--allow", "asker:infer=m"))

    def told():
        return host.body("asker", "m/1.0/ask", {"model": "m", "inputs": {"x": [1, 2, 3]}})

    check.that(told().get("out") == {"sum": 6.0}, "an engine in its own process answers")
    processes = engine_processes(host)
    check.that(len(processes) == 1, "there is one process", processes)
    with open(f"/proc/{host.pid}/maps") as maps:
        check.that("haggle-engine-test" not in maps.read(), "the host has loaded nothing of it")
    os.kill(processes.pop(), signal.SIGKILL)
    answers = [told() for _ in range(2)]
    check.that(answers[-1].get("out") == {"sum": 6.0}, "the next call has a new process", answers)
    check.says("was ended by signal 9", host.said(), "the log says how it ended")
    check.that(host.call("models")[0]["about"] == "an engine in a process of its own",
               "the operator sees where it runs", host.call("models"))
    (left,) = engine_processes(host)
    host.kill()
    check.eventually(lambda: not os.path.exists(f"/proc/{left}"), "it ends with the host")


def a_remote_model(check, script, server):
    key = os.path.abspath("key")
    with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write("sk-of-the-tests\n")
    url = f"http://127.0.0.1:{server.server_port}/v1"
    host = check.host("remote", [script], options=(
        "--model", f"m={url},key=file:{key},model=tiny,price_in=1,price_out=2,budget_day=1",
        "--allow", "asker:infer=m"))
    request = {"task": "chat", "messages": [{"role": "user", "content": "buy tea"}]}
    told = host.body("asker", "m/1.0/ask", {"model": "m", "inputs": request})
    check.that(told.get("out", {}).get("text") == "BUY TEA", "a server answers", told)
    path, authorization, body = Server.seen[-1]
    check.that((path, authorization) == ("/v1/chat/completions", "Bearer sk-of-the-tests"),
               "it was given the key", path)
    check.that(body["model"] == "tiny", "and the model's name there", body)
    shown = json.dumps(host.call("models"))
    check.that("sk-of" not in shown and "sk-of" not in host.said(), "the key is shown nowhere")
    host.stop()


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Checks() as check:
        script = check.script("asker.lua", AGENT)
        a_process_that_dies(check, script)
        a_remote_model(check, script, server)
    server.shutdown()


main()
