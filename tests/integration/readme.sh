#!/usr/bin/env bash
# What the pages show is what happens: README's agent is run as it is printed there, and every line of its
# commands; the host file of stdlib/README.md is one, and every option that a page names is one of its verb.
tree=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/support/cli.sh
. "$tree/tests/support/cli.sh"

# block HEADING N: the N-th block of commands below a heading of README.md, without what explains them.
block() {
  awk -v heading="## $1" -v wanted="$2" '
    /^## / { here = $0 == heading; next }
    !here { next }
    /^```/ { inside = !inside; if (inside && $0 == "```") count++; plain = $0 == "```"; next }
    inside && plain && count == wanted' "$tree/README.md" | sed 's/  *#.*//'
}

# agent_of NAME: the agent that README.md shows as NAME/agent.lua.
agent_of() {
  mkdir "$1"
  awk -v first="-- $1/agent.lua" '/^```$/ { on = 0 } $0 == first { on = 1 } on' "$tree/README.md" >"$1/agent.lua"
}

# do_line LINE: what a person types; `haggle run …&` becomes a host that is waited for.
said=
do_line() {
  local line=$1 words status=0
  if [[ $line != 'haggle run'*'&' ]]; then
    said=$(cd "$work" && timeout 60 bash -c "${line/#haggle /\"$haggle\" }" 2>&1 <"${2:-/dev/null}") ||
      status=$?
    if ((status == 0)); then pass; else fail "$line: status $status: $said"; fi
    return
  fi
  read -ra words <<<"${line%&}"
  [[ $line == *--data* ]] || words+=(--data .haggle)
  local i data
  for ((i = 0; i < ${#words[@]}; i++)); do [[ ${words[i]} != --data ]] || data=${words[i + 1]}; done
  start "$data" "${words[@]:2}"
}

expects() { if [[ $said == *"$1"* ]]; then pass; else fail "expected \"$1\" in: $said"; fi; }

# A first agent
agent_of hello
says 'agent.on("greet/1.0/hello"' hello/agent.lua 'the README holds an agent'
lines=$(grep -cv '^\(--.*\|\)$' hello/agent.lua)
if ((lines <= 10)); then pass; else fail "a first agent of $lines lines"; fi
mapfile -t first < <(block 'A first agent' 1)
if ((${#first[@]} == 4)) && [[ ${first[3]} == 'kill %1' ]]; then pass; else fail "the README's first block: ${first[*]}"; fi
do_line "${first[1]}"
one=$host
do_line "${first[2]}"
expects '{"text":"hello, you","count":1}'
sed -i 's/"hello, "/"good day, "/' hello/agent.lua
for _ in {1..100}; do
  grep -q 'hello reloaded' .haggle.err && break
  sleep 0.1
done
do_line "${first[2]}"
expects '{"text":"good day, you","count":2}'

# killed and started again, it goes on counting
kill -KILL "$one"
wait "$one" 2>/dev/null
do_line "${first[1]}"
do_line "${first[2]}"
expects '"count":3'
stop "$host" # the block's last line

# The workbench: each line does what stands beside it
mapfile -t bench < <(block 'The workbench' 1)
if ((${#bench[@]} == 11)); then pass; else fail "the workbench: ${bench[*]}"; fi
echo 'say text=hello' >typed
echo 'state.times' >typed_in_console
for line in "${bench[@]}"; do
  case $line in
  'haggle new '*) do_line "$line" && expects 'Go on with' ;;
  'haggle check '*) do_line "$line" && expects '0 errors' ;;
  'haggle test '*) do_line "$line" && expects '0 failed' ;;
  'haggle run '*) do_line "$line" ;;
  'haggle chat '*) do_line "$line" typed && expects '← said  {"text":"hello","times":1}' ;;
  'haggle console '*) do_line "$line" typed_in_console && expects '1' ;;
  'haggle state '*) do_line "$line" && expects '{"times": 1}' ;;
  'haggle trace '*) do_line "$line" && expects '→ echo/1.0/said to operator' ;;
  'haggle tail')
    timeout 20 "$haggle" tail >tailed 2>&1 &
    sleep 0.5
    check 0 '"times":2' ask kiosk echo/1.0/say '{"text":"x"}'
    sleep 0.5
    kill $!
    says 'echo/1.0/said' tailed "$line"
    ;;
  'haggle top')
    timeout 20 "$haggle" top >topped 2>&1 &
    for _ in {1..100}; do
      [[ $(wc -l <topped) -lt 2 ]] || break
      sleep 0.1
    done
    kill $!
    says 'agents 1  awake 1' topped "$line"
    ;;
  'haggle dashboard') do_line "$line" && expects 'may act    http://127.0.0.1:' ;;
  *) fail "the README has a line that this test does not know: $line" ;;
  esac
done
stop "$host"

# Two hosts: a deal, its evidence
ln -s "$tree/agents" agents
mapfile -t two < <(block 'Two hosts' 1)
if ((${#two[@]} == 6)); then pass; else fail "two hosts: ${two[*]}"; fi
do_line "${two[0]/127.0.0.1:7001/127.0.0.1:0}"
seller=$host
port=$(field join one.out | sed 's/.*:\([0-9]*\)#.*/\1/')
do_line "${two[1]/127.0.0.1:7001/127.0.0.1:$port}"
eventually 'delivered' deals --data two
do_line "${two[2]}"
expects 'telemetry.load'
do_line "${two[3]}"
expects 'delivered'
deal=$("$haggle" deals --data two --json | python3 -c '
import json,sys
print(next(d["id"] for d in map(json.loads, sys.stdin) if d["status"] == "delivered"))')
do_line "${two[4]/DEAL/$deal}"
do_line "${two[5]}"
expects 'delivered'
stop "$host"
stop "$seller"

# Deciding with models: the policy, and a language model with random weights
agent_of buyer
mapfile -t models < <(block 'Deciding with models' 1 | sed -z 's/\\\n *//g')
if ((${#models[@]} == 3)); then pass; else fail "the buyer's lines: ${models[*]}"; fi
rm -rf .haggle
do_line "${models[0]}"
eventually 'delivered' deals
do_line "${models[1]}"
expects 'dense'
do_line "${models[2]}"
expects '"price"'
if [[ $("$haggle" state buyer --json) == *'"fallback":0'* ]]; then pass; else fail 'the rule decided'; fi
stop "$host"
agent_of sorter
mapfile -t models < <(block 'Deciding with models' 2)
if ((${#models[@]} == 3)) && [[ ${models[0]} == 'runtime/engines llama '* ]]; then pass; else
  fail "the sorter's lines: ${models[*]}"
fi
"$BUILD/tests/make_gguf" gemma.gguf
do_line "${models[1]}"
do_line "${models[2]}"
expects 'mail/1.0/sorted  {"as":"'
stop "$host"

# the first host file of stdlib/README.md
awk '/^-- host.lua$/ { on = 1 } /^```$/ && on { exit } on' "$tree/stdlib/README.md" |
  sed 's/127.0.0.1:700[12]/127.0.0.1:0/; s/^  join = .*//' >host.lua
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

# its units: each line that makes one, below a folder of this test
cp service.lua shop.lua
cp service.lua host.lua
echo secret >shop.pass
mapfile -t units < <(grep '^haggle service install' "$tree/runtime/host/SERVICE.md" | sed 's/  *#.*//')
for line in "${units[@]}"; do
  line=${line/\/etc\/haggle\//}
  HOME=$work XDG_CONFIG_HOME='' do_line "$line --root $work/root"
done
found=$(cd root && find . -name '*.service' | LC_ALL=C sort | tr '\n' ' ')
if [[ $found == './etc/systemd/system/haggle-shop.service ./etc/systemd/system/haggle.service '* ]]; then pass; else
  fail "units: $found"
fi

# every option named in a page
named=0
while read -r verb option; do
  named=$((named + 1))
  if "$haggle" "$verb" --help 2>&1 | grep -qE -- "^  $option( |\$)"; then
    pass
  else
    fail "a page says haggle $verb $option, which does not exist"
  fi
done < <(sed 's/#.*//' "$tree"/{README.md,stdlib/README.md,stdlib/haggle/*.md,agents/*/README.md} \
  "$tree"/runtime/host/{SERVICE,COMMANDS,CONTROL}.md |
  awk '/haggle [a-z]+ / { verb = "" }
    { for (i = 1; i <= NF; i++) {
        if ($(i) ~ /haggle$/) verb = $(i + 1) ~ /^[a-z]+$/ ? $(i + 1) : ""
        else if (verb != "" && $(i) ~ /^--[a-z-]+`?$/) print verb, $(i)
      } }
    !/\\$/ { verb = "" }' | tr -d '`' | sort -u)
if ((named >= 8)); then pass; else fail "only $named options were found in the pages"; fi
