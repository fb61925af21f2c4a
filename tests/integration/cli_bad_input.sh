#!/usr/bin/env bash
# What people get wrong on the command line: each with a clear error and a status.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

echo 'agent.on("echo/1.0/say", function(message) message:reply("said", message.body) end)' >echo.lua

# verbs and options
check 2 'did you mean agents?' agenst
check 2 'say what is to become' agent
check 2 'unknown option --lisen; did you mean --listen?' run --lisen 127.0.0.1:0 echo.lua
check 2 '--listen needs ADDR:PORT' run echo.lua --listen
check 2 'name a script to run' run
check 2 '--within needs' ask x echo/1.0/say --within
check 2 'takes no value' agents --json=yes
check 2 'there is no verb "rnu"; did you mean run?' help rnu
check 0 'runs autonomous agents' help
verbs=0
while read -r verb; do
  verbs=$((verbs + 1))
  check 0 'Options:' "$verb" --help
  if grep -qPzo '\n\n\n' said; then fail "haggle $verb --help has two empty lines in a row"; fi
  # The explanations of options stand in one column, whatever their names are made of.
  if (LC_ALL=C.UTF-8 && sed -n '/^Options:$/,$p' said | grep -E '^  --\S+( \S+)?  ' |
    grep -vE '^.{26}  \S' | grep .); then fail "haggle $verb --help is misaligned"; fi
done < <("$haggle" help | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p' | grep -v '^haggle$')
if ((verbs >= 30)); then pass; else fail "help lists only $verbs verbs"; fi

# scripts
check 1 'missing.lua does not exist' run --data d missing.lua
mkdir folder.lua
check 1 'folder.lua/agent.lua does not exist' run --data d folder.lua
printf 'local a = 1\nagent.describe { name = "x" }\nagent.nonsense()\n' >raises.lua
check 1 'raises.lua:3:' run --data d raises.lua
check 1 'agent.nonsense()' run --data d raises.lua
printf 'local a = 1\nif a then\n  b c\nend\n' >broken.lua
check 1 'broken.lua:3:' run --data d broken.lua
check 1 'b c' run --data d broken.lua
: >empty.lua
check 1 'is empty' run --data d empty.lua
check 1 'two agents are named echo' run --data d echo.lua ./echo.lua

# values of options
check 1 'ADDRESS:PORT' run --data d echo.lua --listen 7001
check 1 'no grant of kind "reed"; did you mean read?' run --data d echo.lua --allow reed=/x
check 1 'no agent is named eco; did you mean echo?' run --data d echo.lua --allow eco:read=/x
check 1 '--certificate and --key are given together' run --data d echo.lua --certificate a
check 1 '--log: a log is' run --data d echo.lua --log xml
check 1 '--log-level: a level is' run --data d echo.lua --log-level loud
check 1 'durability is' run --data d echo.lua --durability lax
check 1 'http://x' run --data d echo.lua --join http://x
printf 'return { agents = { { name = "a", script = "echo.lua" } } }\n' >host.lua
check 1 'host.lua is a host file, not a script: haggle run --config' run --data d host.lua
printf 'return { agents = { { name = "a", script = "echo.lua", limts = {} } } }\n' >host.lua
check 1 'host.lua: agents: [1]: unknown key limts; did you mean limits?' run --config host.lua
printf 'return {\n  listen = os.getenv("X")\n}\n' >host.lua
check 1 'host.lua:2:' run --config host.lua

# a running host's port and folder
start one echo.lua
one=$host
port=$(field join one.out | sed 's/.*:\([0-9]*\)#.*/\1/')
check 1 'choose another port with --listen' run --data two echo.lua --listen "127.0.0.1:$port"
check 1 'a host runs on the data folder one already' run --data one echo.lua
check 1 'the body: JSON, line 1' ask --data one echo echo/1.0/say '{text:1}'
check 1 'it is an object, as in' ask --data one echo echo/1.0/say '{text:1}'
check 1 'no handler' ask --data one echo echo/1.0/nope
for words in 'ask eco echo/1.0/say' 'send eco echo/1.0/say' 'state eco' 'reload eco' 'console eco -e 1' \
  'chat eco' 'trace eco' 'agent pause eco' 'agent token eco' 'log eco debug'; do
  # shellcheck disable=SC2086
  check 1 '; did you mean echo?' $words --data one
done
check 1 'there is nothing at times in the state' state --data one echo times
if grep -q 'did you mean' said; then fail 'the agent was named rightly'; else pass; fi
check 0 '(all)' log gone default --data one
check 1 'expected' find --data one 'price<'
check 2 'say to whom' send --data one echo
check 1 'there is no dead letter 99' dead --data one show 99
for words in 'shwo 1' 'show' 'show all' 'show 1 2' 'drop x' 'resend -- -1' 'drop 1x' 'list 1' \
  'drop 99999999999999999999'; do
  # shellcheck disable=SC2086
  check 2 'say list, show ROW, resend ROW|all or drop ROW|all' dead --data one $words
done
check 1 'there is no dead letter 99' dead --data one drop 99
check 1 'there is no dead letter 99' dead --data one resend 99
check 1 'at least 1MB' run --data two --journal-size 1KB
check 1 'at least 1m' run --data two --journal-age 1s
check 1 'reserve of the disk' run --data two --disk-reserve much
check 1 'no deal or message' export --data one 0123456789abcdef
check 1 'there is no kind mesage' tail --data one --kind mesage
stop "$one"
check 1 'no host runs on the data folder one' agents --data one
check 1 'no host runs on the data folder nowhere' agents --data nowhere

# a key that others can read
chmod 644 one/keys/host.key
check 1 'chmod 600 one/keys/host.key' run --data one echo.lua
chmod 600 one/keys/host.key
echo '{"did":"x"}' >one/keys/agent-echo.key
chmod 600 one/keys/agent-echo.key
check 1 'is not a key file' run --data one echo.lua
rm one/keys/agent-echo.key

# a copied data folder: the copy goes on as a new incarnation, and says so
cp -a one copy
start copy echo.lua
says 'copied, moved or restored' copy.err 'a copied data folder'
stop "$host"
