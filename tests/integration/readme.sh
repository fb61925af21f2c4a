#!/usr/bin/env bash
# What README.md shows is what happens: its agent is run as it is printed there, and its commands for two
# hosts are done one after the other.
tree=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/support/cli.sh
. "$tree/tests/support/cli.sh"

mkdir hello
awk '/^```lua$/ { on = 1; next } /^```$/ { on = 0 } on' "$tree/README.md" >hello/agent.lua
says 'agent.on("greet/1.0/hello"' hello/agent.lua 'the README holds an agent'
lines=$(grep -cv '^\(--.*\|\)$' hello/agent.lua)
if ((lines <= 10)); then pass; else fail "a first agent of $lines lines"; fi

start one hello/agent.lua
one=$host
url=$(field join one.out)
check 0 'hello, you' ask hello greet/1.0/hello '{"name":"you"}' --data one
check 0 '"count":2' ask hello greet/1.0/hello '{"name":"you"}' --data one

# a second host finds it
start two --join "$url"
eventually 'hello' find 'service=greeting price<=2' --data two
did=$(timeout 60 "$haggle" find 'service=greeting' --data two --json |
  python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["agent"])')
check 0 'hello, over there' ask "$did" greet/1.0/hello '{"name":"over there"}' --data two
check 0 'true' peers --data two

# restarted, it goes on counting
kill -KILL "$one"
wait "$one" 2>/dev/null
start one hello/agent.lua --listen "$(sed 's|ws://\([^#]*\)#.*|\1|' <<<"$url")"
check 0 '"count":4' ask hello greet/1.0/hello '{"name":"again"}' --data one
stop "$host"
