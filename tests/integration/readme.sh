#!/usr/bin/env bash
# What the pages show is what happens: README's agent is run as it is printed there, its commands for two
# hosts are done one after the other, the host file of stdlib/README.md is one, and every option that a
# page names is one of its verb.
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
  python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["agent"])')
check 0 'hello, over there' ask "$did" greet/1.0/hello '{"name":"over there"}' --data two
check 0 'true' peers --data two

# restarted, it goes on counting
kill -KILL "$one"
wait "$one" 2>/dev/null
start one hello/agent.lua --listen "$(sed 's|ws://\([^#]*\)#.*|\1|' <<<"$url")"
check 0 '"count":4' ask hello greet/1.0/hello '{"name":"again"}' --data one
stop "$host"

# the first host file of stdlib/README.md
awk '/^-- host.lua$/ { on = 1 } /^```$/ && on { exit } on' "$tree/stdlib/README.md" |
  sed 's/127.0.0.1:700[12]/127.0.0.1:0/; s/^  join = .*//' >host.lua
mkdir kiosk
cp hello/agent.lua kiosk/agent.lua
cp hello/agent.lua worker.lua
start data --config host.lua
check 0 'worker-3' agents --data data
stop "$host"

# the host file of SERVICE.md, and what the page says of the log
{
  awk '/^return {$/ { on = 1 } /^```$/ && on { exit } on' "$tree/runtime/host/SERVICE.md" | sed '$d'
  echo '  agents = { { name = "kiosk", script = "kiosk/agent.lua" } } }'
} >service.lua
start served --config service.lua
check 0 'kiosk                debug' log --data served
check 0 'kiosk                warn' log kiosk warn --data served
stop "$host"
says '"module":"host","text":"stopping' host.log 'the log is where the page says, as JSON'

# every option named in a page
named=0
while read -r verb option; do
  named=$((named + 1))
  if "$haggle" "$verb" --help 2>&1 | grep -qE -- "^  $option( |\$)"; then
    pass
  else
    fail "a page says haggle $verb $option, which does not exist"
  fi
done < <(sed 's/#.*//' "$tree"/{README.md,stdlib/README.md,agents/*/README.md,runtime/host/SERVICE.md} |
  awk '/haggle [a-z]+ / { verb = "" }
    { for (i = 1; i <= NF; i++) {
        if ($(i) ~ /haggle$/) verb = $(i + 1)
        else if (verb != "" && $(i) ~ /^--[a-z-]+`?$/) print verb, $(i)
      } }
    !/\\$/ { verb = "" }' | tr -d '`' | sort -u)
if ((named >= 8)); then pass; else fail "only $named options were found in the pages"; fi
