#!/usr/bin/env bash
# The control socket itself: answers by id, wrong requests, clients that misbehave.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

echo 'agent.on("echo/1.0/say", function(message) message:reply("said", message.body) end)' >echo.lua
start one echo.lua
one=$host

cat >talk.py <<'END'
import json, socket, sys
control = socket.socket(socket.AF_UNIX)
control.settimeout(20)
control.connect("one/control.sock")
lines = control.makefile("rb")
def call(text):
    control.sendall(text.encode() if isinstance(text, str) else text)
    return json.loads(lines.readline())
def expect(what, answer, **fields):
    for name, value in fields.items():
        got = answer.get("error", {}).get(name, answer.get(name))
        print(f"{what}: {'ok' if got == value else 'expected ' + repr(value) + ', got ' + repr(answer)}")
expect("garbage", call("garbage\n"), code="malformed", ok=False)
expect("empty line", call("\n"), ok=False)
expect("not UTF-8", call(b'{"call":"\xff"}\n'), ok=False)
expect("a list", call("[]\n"), code="invalid")
expect("no call", call('{"id":7}\n'), code="invalid", id=7)
expect("unknown call", call('{"call":"explode","id":"x"}\n'), code="invalid", id="x")
expect("double key", call('{"call":"agents","call":"stop"}\n'), code="duplicate_key")
expect("deep", call("[" * 1000 + "]" * 1000 + "\n"), code="too_deep")
expect("a row that is text", call('{"call":"dead.drop","row":"1"}\n'), code="invalid")
expect("a negative row", call('{"call":"dead.drop","row":-1}\n'), code="invalid")
expect("a limit too high", call('{"call":"deals","limit":10001}\n'), code="invalid")
expect("no recipient", call('{"call":"send","type":"a/1.0/b"}\n'), code="invalid")
expect("a bad type", call('{"call":"send","to":"echo","type":"a"}\n'), ok=False)
expect("a bad body", call('{"call":"send","to":"echo","type":"a/1.0/b","body":{"$x":1}}\n'), ok=False)
expect("a NUL in a name", call('{"call":"send","to":"a\\u0000b","type":"a/1.0/b"}\n'), ok=False)
expect("describe", call('{"call":"describe","id":[1]}\n'), ok=True, id=[1])
# Two asks on their way at once: each answer names its request.
say = '{"call":"ask","to":"echo","type":"echo/1.0/say","body":%d,"id":%d}\n'
control.sendall((say % (10, 1) + say % (20, 2)).encode())
bodies = {a["id"]: a["result"]["body"] for a in (json.loads(lines.readline()) for _ in "12")}
print("asks:", "ok" if bodies == {1: 10, 2: 20} else bodies)
# Events come between answers on a connection that tails, so this has one of its own.
watcher = socket.socket(socket.AF_UNIX)
watcher.settimeout(20)
watcher.connect("one/control.sock")
watched = watcher.makefile("rb")
def watch(text):
    watcher.sendall(text.encode())
    return json.loads(watched.readline())
expect("an unknown kind", watch('{"call":"tail","kinds":["x"]}\n'), code="invalid")
expect("tail", watch('{"call":"tail","kinds":["deal"]}\n'), ok=True)
expect("a second tail", watch('{"call":"tail"}\n'), code="exists")
watcher.close()
# One that hangs up before its answer comes, and one whose line never ends.
other = socket.socket(socket.AF_UNIX)
other.connect("one/control.sock")
other.sendall((say % (30, 3)).encode())
other.close()
endless = socket.socket(socket.AF_UNIX)
endless.settimeout(20)
endless.connect("one/control.sock")
try:
    for _ in range(200):
        endless.sendall(b"x" * 65536)
    print("endless line: accepted")
except OSError:
    print("endless line: ok")
before, after = (call('{"call":"describe"}\n')["result"] for _ in range(2))
expect("the loop's time", {"ok": 0 < before["loop_ms"] < after["loop_ms"] < after["up_ms"] and
                           0 < before["tick_ms"] < after["loop_ms"] and after["watching_ms"] == 0 and
                           after["loop_ms"] - before["loop_ms"] <= after["up_ms"] - before["up_ms"]}, ok=True)
expect("stop", call('{"call":"stop"}\n'), ok=True)
END
python3 talk.py >talked 2>&1
while read -r line; do
  case $line in
  *': ok') pass ;;
  *) fail "$line" ;;
  esac
done <talked
if wait "$one"; then pass; else fail 'stop did not end the host well'; fi
if [[ ! -e one/control.sock ]]; then pass; else fail 'the socket file was left behind'; fi
