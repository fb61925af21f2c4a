#!/usr/bin/env python3
# timeout: 120
"""haggle test --watch: runs again when something changes, once for what an editor does, and ends with
Ctrl-C. Colours, and a screen that is cleared, only on a terminal."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, WITH_US, Checks  # noqa: E402

SPEC = """
local test = require "haggle.test"
test.it("adds", function() test.expect(require "sums"(1, 2)):equals(3) end)
"""
RIGHT = "return function(a, b) return a + b end\n"
WRONG = "return function(a, b) return a - b end\n"


class Watching:
    """A runner that watches; `text` is all it has printed."""

    def __init__(self, *paths):
        self.process = subprocess.Popen([*WITH_US, HAGGLE, "test", "--watch", *paths],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            self.text += chunk.decode()

    def runs(self):
        return self.text.count("watching ")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


with Checks() as check:
    os.mkdir("specs")
    write("specs/sums_spec.lua", SPEC)
    write("specs/sums.lua", RIGHT)
    watching = Watching("specs")
    check.eventually(lambda: watching.runs() == 1, "it runs", detail=lambda: watching.text)
    check.says("1 passed, 0 failed\nwatching 1 folder for changes; Ctrl-C ends\n", watching.text,
               "it says what it waits for")

    write("specs/sums.lua", WRONG)
    check.eventually(lambda: watching.runs() == 2, "a module changes: it runs again",
                     detail=lambda: watching.text)
    check.says("sums.lua has changed\n", watching.text, "it says what changed")
    check.says("0 passed, 1 failed", watching.text, "the failure is seen")

    write("specs/.sums.lua.tmp", RIGHT)  # as editors save
    os.rename("specs/sums.lua", "specs/sums.lua~")
    os.rename("specs/.sums.lua.tmp", "specs/sums.lua")
    os.remove("specs/sums.lua~")
    check.eventually(lambda: watching.runs() == 3, "a file is replaced: it runs again",
                     detail=lambda: watching.text)
    write("specs/notes.txt", "no Lua")
    os.mkdir("specs/more")
    check.eventually(lambda: watching.runs() == 4, "a folder comes", detail=lambda: watching.text)
    check.says("watching 2 folders", watching.text, "it is watched, too")
    write("specs/more/other_spec.lua", SPEC.replace('require "sums"(1, 2)', "3"))
    check.eventually(lambda: watching.text.endswith("Ctrl-C ends\n") and
                     "2 passed, 0 failed" in watching.text, "a spec in it is run",
                     detail=lambda: watching.text)
    runs = watching.runs()
    time.sleep(0.5)
    check.that(watching.runs() == runs, "nothing changes, nothing runs", watching.text)

    os.remove("specs/more/other_spec.lua")
    os.remove("specs/sums_spec.lua")
    check.eventually(lambda: "no spec here" in watching.text, "without a spec it goes on waiting",
                     detail=lambda: watching.text)
    watching.process.send_signal(signal.SIGINT)
    check.that(watching.process.wait(20) == 0, "Ctrl-C ends it", watching.process.returncode)

    write("specs/sums_spec.lua", SPEC)
    plain = subprocess.run([HAGGLE, "test", "specs"], stdout=subprocess.PIPE, check=False).stdout
    check.that(b"\x1b" not in plain, "no colours in a file", plain)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.execv(HAGGLE, [HAGGLE, "test", "specs"])
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:  # the terminal's other side is closed
        pass
    os.waitpid(pid, 0)
    check.that(b"\x1b[32mok" in shown, "colours on a terminal", shown)
