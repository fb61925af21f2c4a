#!/usr/bin/env python3
# timeout: 240
# waits
"""Agents that run on with changed scripts: by the verb, by --watch, over kill -9 at any time; the
console through a terminal and a pipe; what is shown of state and of raises."""

import json
import os
import pty
import random
import select
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, Checks, Control  # noqa: E402

# Each version adds 1000 to what there is, once; a handler that waits says which script it is of.
COUNTER = """
agent.describe {{ version = {version} }}
agent.on_upgrade(function(from, to)
  for v = from + 1, to do state.sum = (state.sum or 0) + 1000 end
  state.upgraded = to
end)
agent.on("counter/1.0/add", function() state.sum = (state.sum or 0) + 1 end)
agent.on("counter/1.0/wait", function(message)
  agent.sleep(message.body.long)
  state.ended = state.ended or {{}}
  state.ended[#state.ended + 1] = {version}
end)
agent.on("counter/1.0/ask", function(message)
  message:reply("is", {{ sum = state.sum or 0, by = {version}, upgraded = state.upgraded or 1 }})
end)
agent.on("counter/1.0/raise", function()
  state.a, state.b = 1, 2
  agent.send("counter", "counter/1.0/add", {{}})
  error "never"
end)
"""


def write(path, text):
    """As editors do: another file, then a rename."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def reload(check, host, *words, status=0, says=""):
    done = check.haggle("reload", *words, "--data", host.data)
    said = done.stdout + done.stderr
    check.that(done.returncode == status, f"reload {' '.join(words)}: status {status}",
               f"{done.returncode}: {said}")
    check.says(says, said, f"reload {' '.join(words)}")


def by_hand(check):
    write("counter.lua", COUNTER.format(version=1))
    a = check.host("a", ["counter.lua"])
    a.call("send", to="counter", type="counter/1.0/add", body={})
    a.call("send", to="counter", type="counter/1.0/wait", body={"long": "3s"})
    check.eventually(lambda: len(a.call("runs.list")) == 1, "a handler waits")
    write("counter.lua", COUNTER.format(version=2))
    reload(check, a, "counter", says="version 1 to 2, upgraded; 1 handler goes on under the script")
    check.that(a.body("counter", "counter/1.0/ask") == {"sum": 1001, "by": 2, "upgraded": 2},
               "the new script serves while the old one's handler waits")
    a.call("send", to="counter", type="counter/1.0/wait", body={"long": "1s"})
    check.eventually(lambda: len(a.call("runs.list")) == 2, "one of the new script waits, too")
    a.body("counter", "counter/1.0/ask")  # answered when all before it is durable
    a.kill()
    a.start()
    check.eventually(lambda: a.call("agent.state", name="counter")["value"].get("ended") in
                     ([2, 1], [1, 2]), "over kill -9 each handler ends under its own script")
    check.that(a.body("counter", "counter/1.0/ask")["sum"] == 1001, "it was upgraded once")
    write("counter.lua", "agent.on_timer('x', function() end)\nerror 'broken'\n")
    reload(check, a, "counter", status=1, says="counter.lua:2: broken")
    write("counter.lua", COUNTER.format(version=3) +
          "\nagent.describe { version = 3 }\nagent.on_upgrade(function() end)\n")
    reload(check, a, "counter", status=1, says="declared already")
    write("counter.lua", COUNTER.format(version=3).replace("state.upgraded = to", "error 'no'"))
    reload(check, a, "counter", status=1, says="on_upgrade(2, 3): counter.lua:5: no")
    check.that(a.body("counter", "counter/1.0/ask") == {"sum": 1001, "by": 2, "upgraded": 2},
               "what does not load or upgrade changes nothing")
    reload(check, a, "nobody", status=1, says="no agent named nobody")
    write("counter.lua", COUNTER.format(version=3))
    reload(check, a, "--all", says="version 2 to 3")
    return a


def raises(check, a):
    a.call("send", to="counter", type="counter/1.0/raise", body={})
    check.eventually(lambda: a.call("dead.list"), "it is a dead letter")
    row = a.call("dead.list")[0]["row"]
    for said in (check.haggle("dead", "show", str(row), "--data", "a").stdout, a.said()):
        check.says("attempt 3 of 3; rolled back: 2 writes to state, 1 message to counter "
                   "(counter/1.0/add)", said, "what a raise says")
        check.says("counter/1.0/raise, thread ", said, "what a raise says")
    check.says("never [counter/1.0/raise", check.haggle("agents", "--data", "a").stdout,
               "haggle agents")


def killed_in_the_middle(check):
    """Whenever it is killed, it was upgraded once from each version or not yet."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    write("counter.lua", COUNTER.format(version=1))
    b = check.host("b", ["counter.lua"])
    b.body("counter", "counter/1.0/ask")  # answered when the agent of version 1 is durable
    for version in range(2, 12):
        write("counter.lua", COUNTER.format(version=version))
        control = Control("b")
        control.send(call="agent.reload", name="counter")
        time.sleep(rng.random() * 0.02)
        b.kill()
        control.close()
        b.start()
        check.eventually(lambda: b.body("counter", "counter/1.0/ask")["by"] == version, "it runs")
        said = b.body("counter", "counter/1.0/ask")
        check.that(said == {"sum": 1000 * (version - 1), "by": version, "upgraded": version},
                   "it is upgraded once over kill -9", said)


def counted(check):
    write("worker.lua", COUNTER.format(version=1))
    write("many.lua", "return { agents = { { name = 'worker', script = 'worker.lua', count = 30 } } }")
    c = check.host("c", options=["--config", "many.lua"])
    write("worker.lua", COUNTER.format(version=2))
    reload(check, c, "worker", says="and 10 more: in all 30 reloaded, 0 not")
    check.that(c.body("worker-30", "counter/1.0/ask")["by"] == 2, "all instances are reloaded")
    reload(check, c, "worker-7", says="worker-7 is reloaded; its script is as it was")


def watched(check):
    os.mkdir("w")
    write("w/agent.lua", "local m = require 'm'\n" + COUNTER.format(version=1) +
          "agent.on('word/1.0/ask', function(message) message:reply('is', { word = m.word }) end)")
    write("w/m.lua", "return { word = 'one' }")
    write("other.lua", COUNTER.format(version=1))
    d = check.host("d", ["w/agent.lua", "other.lua"], options=["--watch"])

    def word():
        return d.body("w", "word/1.0/ask")["word"]

    check.that(word() == "one", "it runs")
    write("w/m.lua", "return { word = 'two' }")
    check.eventually(lambda: word() == "two", "a module that changes is noticed")
    os.unlink("w/m.lua")
    time.sleep(0.3)
    with open("w/m.lua", "w", encoding="utf-8") as file:
        file.write("return { word = 'three' }")
    check.eventually(lambda: word() == "three", "also when it had vanished for a moment")
    write("w/m.lua", "return { word = ")
    check.eventually(lambda: "w/m.lua: w not reloaded: w/m.lua:1:" in d.said(), "an error is shown")
    check.that(word() == "three", "and the old script goes on")
    write("w/m.lua", "return { word = 'four' }")
    check.eventually(lambda: word() == "four", "until it is mended")
    check.that("other" not in d.said(), "nobody else is reloaded", d.said())
    write("other.lua", COUNTER.format(version=5))
    check.eventually(lambda: "other.lua: other reloaded, version 1 to 5" in d.said(), "a line says it")
    os.mkdir("v")
    write("v/late.lua", "local n = require 'n'\nagent.on('word/1.0/ask', function(message)"
          " message:reply('is', { word = n.word }) end)")
    write("v/n.lua", "return { word = 'first' }")
    d.call("agent.add", agent={"name": "late", "script": "v/late.lua"})
    check.that(d.body("late", "word/1.0/ask")["word"] == "first", "one comes later")
    write("v/n.lua", "return { word = 'second' }")
    check.eventually(lambda: d.body("late", "word/1.0/ask")["word"] == "second",
                     "and is watched, too")
    d.stop()


class Terminal:
    """The console as a person has it."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # libedit keeps the names of its functions for good.
            os.environ.update(TERM="xterm", ASAN_OPTIONS="detect_leaks=0",
                              XDG_STATE_HOME=os.path.abspath("xdg"))
            os.execv(HAGGLE, [HAGGLE, "console", *arguments])
        self.seen = ""

    def type(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())

    def sees(self, text, seconds=20):
        until = time.monotonic() + seconds
        while text not in self.seen and time.monotonic() < until:
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        return text in self.seen

    def end(self):
        """Ctrl-D, until it is seen: what is typed between two prompts is not edited."""
        for _ in range(40):
            try:
                os.write(self.fd, b"\x04")
            except OSError:
                pass
            self.sees("\0", 0.3)
            time.sleep(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        return None


def console(check, a):
    t = Terminal("counter", "--data", "a")
    check.that(t.sees("counter> "), "there is a prompt", t.seen)
    t.type("state.lots = { alpha = { price = 3 } } return state.lots\r")
    check.that(t.sees("{ alpha = { price = 3 } }"), "a line runs", t.seen)
    t.type("state.lots.al\t.pri\t + 1\r")
    check.that(t.sees("\n4"), "names are completed", t.seen)
    t.type("for i = 1, 2 do\r")
    check.that(t.sees(">> "), "a chunk may take several lines", t.seen)
    t.type("state.n = i end\rstate.n + 40\r")
    check.that(t.sees("\n42"), "and runs when it is whole", t.seen)
    t.type("this is not wanted\x03")
    t.type("1 + 1\r")
    check.that(t.sees("\n2"), "Ctrl-C leaves a line", t.seen)
    t.type("state.n = 7 error 'wrong'\r")
    check.that(t.sees("rolled back: 1 write to state"), "a raise says what it took back", t.seen)
    t.type("while true do end\r")
    check.that(t.sees("limit of"), "a line without end is ended", t.seen)
    t.type("state.n = 8 agent.sleep('1h')\r")
    check.eventually(lambda: len(a.call("runs.list")) == 1, "a line waits")
    check.says("kind", check.haggle("runs", "--data", "a").stdout, "haggle runs")
    os.write(t.fd, b"\x03")
    check.that(t.sees("given up; what it did before it waited stays"), "Ctrl-C gives it up", t.seen)
    check.that(a.call("runs.list") == [], "nothing of it is left")
    t.type("state.n\r")
    check.that(t.sees("\n8"), "what it did stays", t.seen)
    check.that(t.end() == 0, "Ctrl-D ends well")
    history = "xdg/haggle/console_history"
    check.that(os.stat(history).st_mode & 0o777 == 0o600, "the history is nobody else's")
    with open(history, encoding="utf-8") as file:
        check.says("state.lots", file.read(), "the history")
    check.says("counter: console, uid ", a.said(), "lines are logged")


def piped(check, a):
    done = subprocess.run([HAGGLE, "console", "counter", "--data", "a"], timeout=60, text=True,
                          capture_output=True, input="local n = 1\nfor i = 1, 3 do\n"
                          "  state.p = i\nend\nstate.p\nerror 'x'\nstate.p + 1")
    check.that(done.returncode == 1 and done.stdout == "3\n4\n", "lines come from a pipe", done)
    check.says("console:1: x", done.stderr, "errors go to standard error")
    done = check.haggle("console", "counter", "--data", "a", "-e", "state.p", "-e", "agent.ask("
                        "'counter', 'counter/1.0/ask', {}).body.by")
    check.that(done.returncode == 0 and done.stdout == "3\n3\n", "-e runs one", done)
    done = check.haggle("console", "counter", "--data", "a", "-e", "print('one')", "-e",
                        "log.warn('two', { n = 3 }) agent.sleep '300ms' print 'four' return 5")
    check.that(done.stderr == 'one\ntwo  {"n":3}\nfour\n' and done.stdout == "5\n",
               "what lines print and log is shown", done)
    done = check.haggle("console", "counter", "--data", "a", "--json", "-e", "print('one')")
    check.that(done.stderr == "", "but not as JSON", done)
    done = check.haggle("console", "nobody", "--data", "a", "-e", "1")
    check.that(done.returncode == 1, "nobody is spoken with", done)
    check.says("no agent named nobody", done.stderr, "which is said")


def state(check, a):
    for words, said in ((["counter", "lots.alpha"], '{"price": 3}'),
                        (["counter", 'lots["alpha"].price'], "3"),
                        (["counter", "--json", "lots"], '{"alpha":{"price":3}}'),
                        (["counter", "--depth", "1"], "… 1 deeper")):
        done = check.haggle("state", *words, "--data", "a")
        check.says(said, done.stdout, f"state {' '.join(words)}")
    for place, why in (("nothing", "there is nothing at nothing"), ("lots[", "column 6"),
                       ("lots.alpha.price.x", "is no table")):
        done = check.haggle("state", "counter", place, "--data", "a")
        check.that(done.returncode == 1, f"state {place} is refused", done)
        check.says(why, done.stderr, f"state {place}")
    check.haggle("agent", "stop", "counter", "--data", "a")
    check.says("price", check.haggle("state", "counter", "--data", "a").stdout,
               "one that is stopped shows its state")


with Checks() as check:
    host = by_hand(check)
    raises(check, host)
    console(check, host)
    piped(check, host)
    state(check, host)
    killed_in_the_middle(check)
    counted(check)
    watched(check)
