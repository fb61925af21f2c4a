#!/usr/bin/env python3
# timeout: 180
# waits
"""Models of a host, run by the tests' own engine: what agents are told, kill -9 before and behind a
decision, a host that stops while one runs, and models that do not open."""

import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, Checks  # noqa: E402

ENGINE = os.path.join(os.path.dirname(HAGGLE), "tests/engines/haggle-engine-test.so")
AGENT = """
agent.on("m/1.0/ask", function(message)
  local ok, out, why, code = pcall(function()
    return agent.infer(message.body.model or "m", message.body.inputs,
      { within = message.body.within })
  end)
  message:reply("told", { ok = ok, out = out, why = why, code = code })
end)
agent.on("m/1.0/decide", function(message)
  state.begun = (state.begun or 0) + 1
  local out, why, code = agent.infer("m", { x = { 1, 2, 3 } }, { within = "60s" })
  state.decided = out and out.sum or code
  if message.body.sleep then agent.sleep(message.body.sleep) end
  state.ended = (state.ended or 0) + 1
  state.kept = out and out.sum or code
end)
agent.on("m/1.0/look", function(message)
  message:reply("is", { begun = state.begun or 0, ended = state.ended or 0,
    decided = state.decided or "nothing", kept = state.kept or "nothing" })
end)
agent.on("m/1.0/reset", function(message)
  state.begun, state.ended, state.decided, state.kept = nil, nil, nil, nil
  message:reply("done")
end)
"""


def model(file, name="m", options=""):
    return ("--model", f"{name}={file},engine={ENGINE}{options}")


GRANT = ("--allow", "decider:infer=m", "--allow", "decider:infer=gone")


def models_of(host):
    return host.call("models")[0]


def what_agents_are_told(check, script):
    host = check.host("told", [script], options=(*model("good"), *GRANT))

    def told(**body):
        return host.body("decider", "m/1.0/ask", body)

    check.that(told(inputs={"x": [1, 2, 3]})["out"] == {"sum": 6.0}, "a row is answered")
    check.that(told(inputs={"x": [[1, 2, 3], [4, 5, 6]]})["out"] == {"sum": [6.0, 15.0]},
               "rows are answered")
    wrong = told(inputs={"x": [1, 2]})
    check.that(not wrong["ok"] and "has the shape [2]" in wrong["out"], "a wrong shape raises", wrong)
    check.says("decider.lua:", wrong["out"], "where it was called")
    denied = told(model="other", inputs={"x": [1, 2, 3]})
    check.that(denied["code"] == "denied", "what is not granted is denied", denied)
    check.says("--allow decider:infer=other", denied["why"], "and the grant named")
    gone = told(model="gone", inputs={"x": [1, 2, 3]})
    check.that(gone["code"] == "not_found" and "there are: m" in gone["why"],
               "a model that is not there", gone)
    shown = models_of(host)
    check.that(shown["done"] == 2 and shown["agents"][0]["agent"] == "decider", "the operator sees it",
               shown)
    listed = check.haggle("models", "--data", host.data)
    check.says("test", listed.stdout, "the verb lists it")
    host.stop()


def kill_before_the_decision(check, script):
    """The engine is at work when the host dies: the next one is asked, and the handler goes on."""
    host = check.host("before", [script], options=(*model("slow"), *GRANT))
    host.call("send", to="decider", type="m/1.0/decide", body={})
    check.eventually(lambda: models_of(host)["queue"]["running"] == 1, "the model is at work")
    # It may be so before the tick that began it is durable; an answer comes from a later one.
    check.that(host.body("decider", "m/1.0/look")["begun"] == 1, "and the handler durable")
    host.kill()
    host.options = (*model("good"), *GRANT)
    host.start()
    check.eventually(lambda: host.body("decider", "m/1.0/look")["ended"] == 1, "the handler ended")
    check.that(host.body("decider", "m/1.0/look") ==
               {"begun": 1, "ended": 1, "decided": 6.0, "kept": 6.0}, "with one decision")
    host.stop()


def kill_behind_the_decision(check, script):
    """A decision that was made stays, whatever the model would say now."""
    host = check.host("behind", [script], options=(*model("good"), *GRANT))
    host.call("send", to="decider", type="m/1.0/decide", body={"sleep": "3s"})
    check.eventually(lambda: host.body("decider", "m/1.0/look")["decided"] == 6.0, "it has decided")
    host.kill()
    host.options = (*model("fail"), *GRANT)
    host.start()
    check.eventually(lambda: host.body("decider", "m/1.0/look")["ended"] == 1, "the handler ended")
    check.that(host.body("decider", "m/1.0/look") ==
               {"begun": 1, "ended": 1, "decided": 6.0, "kept": 6.0}, "with the decision of before")
    check.that(models_of(host)["calls"] == 0, "the model was not asked again")
    host.stop()


def what_ends_a_call(check, script):
    host = check.host("ends", [script], options=(*model("slow"), *GRANT))
    late = host.body("decider", "m/1.0/ask", {"inputs": {"x": [1, 2, 3]}, "within": "200ms"})
    check.that(late["code"] == "timeout", "its time", late)
    check.eventually(lambda: models_of(host)["queue"]["running"] == 0, "and the engine is told")
    host.call("send", to="decider", type="m/1.0/decide", body={})
    check.eventually(lambda: models_of(host)["queue"]["running"] == 1, "the model is at work")
    host.call("agent.stop", name="decider")
    check.eventually(lambda: models_of(host)["queue"]["running"] == 0, "its agent's end")
    host.call("agent.resume", name="decider")
    check.eventually(lambda: models_of(host)["queue"]["running"] == 1, "the handler asks again")
    host.options = ("--grace", "1s")
    host.stop()
    check.that(True, "a host stops while a model is at work")


def what_does_not_open(check, script):
    def start(*options):
        run = check.haggle("run", script, "--data", "never", *options)
        return run.returncode, run.stderr

    for options, says in (
            (model("nofile"), "model m: nofile: it is not to be opened"),
            (model("good", options=",colour=red"), "unknown option colour"),
            (model("good", options=",batch=0"), "model m: batch: expected a number"),
            (("--model", "m=good,engine=mine"), 'there is no engine "mine"'),
            (("--model", "m=good,engine=/nowhere.so"), "there is no such file"),
            (("--model", "m=x.bin"), "does not follow from its name"),
            (("--model", "m"), "a model is NAME=FILE"),
            (("--model", "m=x,batch"), "an option is NAME=VALUE"),
            ((*model("good"), *model("good")), "two models are named m"),
            (("--allow", "decider:infer=a b"), "expected infer=NAME")):
        status, said = start(*options)
        check.that(status == 1 and says in said and said.count("\n") == 1, f"one line: {says}",
                   (status, said))


def a_host_file(check, script):
    text = 'return {{ data = "file-data", listen = "127.0.0.1:0", models = {{ m = {m} }},\n' \
           '  agents = {{ {{ name = "decider", script = "decider.lua", allow = {{ "infer=*" }} }} }} }}'
    first = f'{{ file = "good", engine = "{ENGINE}", batch = 8, queue = 100 }}'
    path = check.script("host.lua", text.format(m=first))
    host = check.host("file", options=("--config", path), data="file-data")
    check.that(models_of(host)["batches"]["most"] == 8, "options of the file count")
    check.script("host.lua", text.format(m=first.replace("8", "9")))
    host.signal(signal.SIGHUP)
    check.eventually(lambda: "models has changed: that counts from the next start on" in host.said(),
                     "a change is told")
    host.stop()
    check.script("host.lua", text.format(m='{ engine = "x" }'))
    refused = subprocess.run([HAGGLE, "run", "--config", path], capture_output=True, text=True,
                             timeout=60)
    check.that("models: m: file: expected the model's file" in refused.stderr, "a file is needed",
               refused.stderr)


with Checks() as check:
    agent = check.script("decider.lua", AGENT)
    what_agents_are_told(check, agent)
    kill_before_the_decision(check, agent)
    kill_behind_the_decision(check, agent)
    what_ends_a_call(check, agent)
    what_does_not_open(check, agent)
    a_host_file(check, agent)
