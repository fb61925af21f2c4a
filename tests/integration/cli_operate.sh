#!/usr/bin/env bash
# A host from its first agent to evidence: what the verbs do when all is well.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

# An object, or a list's objects a line: `value` is the first one, `values` are all.
json() {
  python3 -c "import json,sys; values=[json.loads(line) for line in sys.stdin]; value=values[0]
print($1)" <said
}

# a first agent
check 0 'haggle run --watch kiosk' new kiosk
check 1 'exists already' new kiosk
check 1 'cannot name an agent' new 'bad name'
check 0 '4 passed, 0 failed' test kiosk
check 0 '0 errors, 0 warnings, 0 notes' check kiosk
if (cd kiosk && luacheck -q . >../said 2>&1); then pass; else fail "luacheck: $(cat said)"; fi
for file in agent.lua agent_spec.lua .luarc.json .luacheckrc; do
  if [[ -s kiosk/$file ]]; then pass; else fail "no kiosk/$file"; fi
done

# looking and speaking
cat >bad.lua <<'END'
agent.on("bad/1.0/say", function() error("never \27[31mgood") end)
agent.on("bad/1.0/ask", function(message) message:refuse("not today", "closed") end)
agent.on("bad/1.0/read", function(message)
  local text, why, code = host.read "/proc/loadavg"
  state.ratio = 3.06
  agent.after("at_once", 0, 1)
  message:reply("is", { text = text or why, code = code })
end)
agent.on_timer("at_once", function() end)
END
start one kiosk bad.lua --allow bad:read=/proc/loadavg
one=$host
did=$(field host one.out)
url=$(field join one.out)
says "#$did" one.out 'the join URL names the host'
check 0 'kiosk' agents --data one
check 0 '"name":"kiosk"' agents --data one --json
if [[ $(json 'sorted(k["name"] for k in values)') == "['bad', 'kiosk', 'operator']" ]]; then
  pass
else
  fail "agents --json is not one object a line: $(cat said)"
fi
check 0 'no peers' peers --data one
check 0 'no deals' deals --data one
eventually 'kiosk' find --data one service=echo
check 0 'nobody offers' find --data one service=nothing
check 0 'echo/1.0/said  {"text":"hi","times":1}' ask --data one kiosk echo/1.0/say '{"text":"hi"}'
check 0 '"text":' ask --data one bad bad/1.0/read
check 0 '{"ratio": 3.06}' state --data one bad
check 0 'timer at_once, due now' trace --data one bad
check 1 'refused: not today (closed)' ask --data one bad bad/1.0/ask
if grep -q 'haggle dead' said; then fail 'a refusal is no dead letter'; else pass; fi
if grep -qE '^name .* did$' <("$haggle" agents --data one); then pass; else fail 'agents shows empty columns'; fi
check 0 'is on its way' send --data one kiosk echo/1.0/say '{"text":"x"}'

# tail, readable and not dangerous to a terminal
timeout 20 "$haggle" tail --data one >tailed 2>&1 &
tail=$!
timeout 20 "$haggle" tail --data one --json --agent kiosk --kind message >tailed.json 2>&1 &
tail_json=$!
sleep 0.5
check 1 'haggle dead' ask --data one bad bad/1.0/say
check 0 'echo/1.0/said' ask --data one kiosk echo/1.0/say '{"text":"seen"}'
sleep 0.3
kill "$tail" "$tail_json"
wait "$tail" "$tail_json" 2>/dev/null
says '"seen"' tailed tail
says 'never \x1b[31mgood' tailed 'tail escapes'
if grep -q $'\e' tailed one.err; then fail 'a control character came through'; else pass; fi
if grep -q bad/1.0 tailed.json; then fail 'tail --agent shows others'; else pass; fi
says '"event":"message"' tailed.json 'tail --json'

# dead letters
check 0 'handler_failed' dead --data one
check 0 '"row":' dead --data one --json
row=$(json 'value["row"]')
check 0 'bad/1.0/say' dead --data one show "$row"
check 0 'traceback' dead --data one show "$row"
check 0 '"attempts":3' dead --data one show "$row" --json
check 0 "dead letter $row is in its agent's mailbox again" dead --data one resend "$row"
eventually 'handler_failed' dead --data one
"$haggle" dead --data one --json >said
row=$(json 'value["row"]')
check 0 '1 in their agents' dead --data one resend all
eventually 'handler_failed' dead --data one list
check 0 '"resent":1,"left":0' dead --data one resend all --json
eventually 'handler_failed' dead --data one
check 0 '1 dropped' dead --data one drop all
check 0 '0 dropped' dead --data one drop all
check 1 'refused' ask --data one bad bad/1.0/say
eventually 'handler_failed' dead --data one
"$haggle" dead --data one --json >said
row=$(json 'value["row"]')
check 0 'is dropped' dead --data one drop "$row"
check 0 'no dead letters' dead --data one

# state and identity last
stop "$one"
"$haggle" keys --data one --json >said
before=$(json 'next(k["did"] for k in values if k["name"] == "kiosk")')
check 0 "$before" keys show --data one
start one kiosk/agent.lua --listen 127.0.0.1:0
one=$host
check 0 "$did" keys --data one
check 0 '"times":4}' ask --data one kiosk echo/1.0/say '{"text":"hi"}'
url=$(field join one.out)

# evidence: exported, verified offline, refused when tampered with
check 0 '"id":' ask --data one kiosk echo/1.0/say '{"text":"proof"}' --json
id=$(json 'value["id"]')
check 0 'check it with' export --data one "$id" --out message.evidence
check 0 'proved' verify message.evidence
check 0 'time claimed by the host' verify message.evidence --agent "$before" --destination "$did"
check 0 '"text":"proof"' verify message.evidence --json
check 1 'nothing is proved' verify message.evidence --agent "$did"
check 1 'nothing is proved' verify message.evidence --destination "$before"
check 1 'does not exist' verify nothing.evidence
size=$(stat -c %s message.evidence)
accepted=0
for ((at = 0; at < size; at += 37)); do
  python3 - "$at" <<'END'
import sys
data = bytearray(open("message.evidence", "rb").read())
data[int(sys.argv[1])] ^= 1
open("tampered.evidence", "wb").write(data)
END
  if "$haggle" verify tampered.evidence >said 2>&1; then
    accepted=$((accepted + 1))
    fail "accepted with byte $at changed"
  fi
done
((accepted > 0)) || pass
head -c $((size - 1)) message.evidence >tampered.evidence
check 1 'nothing is proved' verify tampered.evidence
{ printf '\202' && cat message.evidence message.evidence; } >bundle.evidence
check 0 'proved' verify bundle.evidence
{ printf '\202' && cat message.evidence tampered.evidence; } >bundle.evidence
check 1 'nothing is proved: ' verify bundle.evidence
if grep -q '^proved' said; then fail 'half a file was proved'; else pass; fi

# another host, from a host file: found, asked, its clock and link shown
cat >two.lua <<END
return {
  listen = "127.0.0.1:0", data = "two", join = { "$url" }, durability = "relaxed 20ms",
  agents = { { name = "mirror", script = "mirror.lua", count = 2, config = { word = "back" } } },
}
END
cat >mirror.lua <<'END'
agent.offer { service = "mirror", word = agent.config.word }
agent.on("mirror/1.0/say", function(message) message:reply("said", { word = agent.config.word }) end)
END
start two --config two.lua
two=$host
eventually 'true' peers --data one
eventually 'mirror-2' find --data one service=mirror word=back
"$haggle" find --data one --json service=mirror >said
mirror=$(json 'value["agent"]')
check 0 'mirror/1.0/said  {"word":"back"}' ask --data one "$mirror" mirror/1.0/say
stop "$two"

# an agent whose key never touches the host
check 0 'did:key:' keys new away.key
away=$(awk '$1 == "did" { print $2 }' said)
check 0 'kiosk.delegation' keys delegate --key away.key --host "$did" --days 3 --out kiosk.delegation
check 2 '--days is 1 to 7' keys delegate --key away.key --host "$did" --days 8
check 1 '--host' keys delegate --key away.key --host nobody
stop "$one"
start one kiosk/agent.lua --delegation kiosk=kiosk.delegation
check 0 "$away" agents --data one
check 0 'said' ask --data one kiosk echo/1.0/say '{"text":"from away"}'
stop "$host"
start one kiosk/agent.lua
check 0 "$away" agents --data one # it keeps its identity without being given it again
stop "$host"
check 1 'no valid delegation for this host' run --data three kiosk/agent.lua \
  --delegation kiosk=kiosk.delegation

# a grant for all of /proc is none for what its links lead to
cat >reader.lua <<'END'
agent.on("reader/1.0/read", function(message)
  local text, why, code = host.read(message.body.path)
  message:reply("is", { code = code or "read", text = text, why = why })
end)
END
start reading reader.lua --allow 'read=/proc/*'
for path in net/dev self/status; do
  check 0 '"code":"read"' ask --data reading reader reader/1.0/read "{\"path\":\"/proc/$path\"}"
done
for path in self/cwd/reading/keys/host.key self/root/etc/passwd ../etc/passwd; do
  check 0 '"code":"denied"' ask --data reading reader reader/1.0/read "{\"path\":\"/proc/$path\"}"
done
stop "$host"

# keys: rotated, sealed
check 0 'old' keys rotate kiosk --data one
check 1 'has no key here' keys rotate nobody --data one
start one kiosk/agent.lua
if "$haggle" agents --data one | grep -qF "$away"; then fail 'a rotated key is not used'; else pass; fi
stop "$host"
"$haggle" keys --data one --json >said
if [[ $(json 'next(k["did"] for k in values if k["name"] == "kiosk")') != "$before" ]]; then
  pass
else
  fail 'a rotated key is the old one'
fi
export HAGGLE_PASSPHRASE='correct horse'
start sealed kiosk/agent.lua
stop "$host"
unset HAGGLE_PASSPHRASE
check 1 'sealed with a passphrase' run --data sealed kiosk/agent.lua
(umask 077 && echo 'wrong horse' >passphrase)
check 1 'does not open' run --data sealed kiosk/agent.lua --passphrase-file passphrase

# wss with a pair of its own
start secure kiosk/agent.lua --tls self-signed
says 'wss://127.0.0.1' secure.out 'a secure join URL'
secure=$host
start dialler kiosk/agent.lua --join "$(field join secure.out)"
eventually 'true' peers --data dialler
stop "$host"
stop "$secure"
