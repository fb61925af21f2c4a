#!/usr/bin/env bash
# waits
# haggle chat and haggle trace against a real host.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

cat >weather.lua <<'END'
agent.protocol { name = "weather", version = "1.0", messages = {
  request = { body = { city = "string", days = "integer?" }, replies = { "forecast" } },
  forecast = { body = { celsius = "number" }, replies = { "thanks" } },
  thanks = {} } }
agent.on("weather/1.0/request", function(message)
  if message.body.city == "Atlantis" then error("sunk") end
  if message.body.city ~= "Graz" then return message:refuse("only Graz", "no_data") end
  agent.ask("helper", "help/1.0/me", {})
  message:reply("forecast", { celsius = 20.5 })
end)
agent.on("weather/1.0/thanks", function() log.info("thanked") end)
agent.on("echo/1.0/say", function(message) message:reply("said", message.body) end)
END
echo 'agent.on("help/1.0/me", function(message) message:reply("done", {}) end)' >helper.lua
start one weather.lua helper.lua

# talk STATUS TEXT LINE…: what comes of these lines.
talk() {
  local expected=$1 text=$2 status=0
  shift 2
  printf '%s\n' "$@" | timeout 60 "$haggle" chat weather --data one --within 5s >said 2>&1 || status=$?
  if ((status == expected)); then
    says "$text" said "chat $*"
  else
    fail "chat $*: status $status instead of $expected"
    sed 's/^/    /' said
  fi
}

talk 0 'weather/1.0/request' /help
says 'city: string' said 'help names fields'
says 'echo/1.0/say  anything' said 'help names what is not declared'
talk 0 '← forecast  {"celsius":20.5}' 'request city=Graz'
talk 0 'thanks' 'request city=Graz' /help thanks
talk 0 '← forecast' 'weather/1.0/request {"city": "Graz", "days": 2}'
talk 0 '← said  {"text":"a b"}' 'echo/1.0/say text="a b"'
talk 1 '← refuse  {"why":"only Graz","code":"no_data"}' 'request city=Wien'
talk 1 'body.city' 'request'
talk 1 'days: expected an integer' 'request city=Graz days=many'
talk 0 '← said  {"text":"c"}' 'say text=c' # the one handler of that name
talk 1 "there is no field 'town'; there are: " 'request town=Graz'
talk 1 'no dialogue begins with' 'forecast celsius=1'
talk 1 'no_handler' 'other/1.0/thing'
talk 1 'handler_failed' 'request city=Atlantis'
check 1 'there is no agent nobody' chat nobody --data one
check 2 'say to which agent' chat --data one
check 1 'no host runs' chat weather --data none

check 0 '← weather/1.0/request from operator' trace weather --data one
check 0 'waits (ask)' trace weather --data one
check 0 '→ help/1.0/me to helper' trace weather --data one
check 0 'raised: weather.lua' trace weather --data one
check 0 'dead letter: weather/1.0/request (handler_failed)' trace weather --data one
check 0 '1' console weather --data one -e 'for i = 1, 3000 do math.sqrt(i) end return 1'
"$haggle" trace weather --data one >said
if grep -qE 'ran console, [0-9.]+ .?s: done' said; then pass; else fail "a line's time: $(cat said)"; fi
check 0 '"what":"stretch"' trace weather --data one --json
thread=$("$haggle" trace weather --data one --json | sed -n 's/.*"thread":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
check 0 "(${thread:0:8})" trace weather --data one --thread "${thread:0:12}"
[[ $(grep -c 'weather/1.0/request with operator' said) == 1 ]] || fail 'one thread is shown'
check 0 'nothing is known of it' trace helper --data one --thread ffffffffffffffffffffffff
check 1 'there is no agent nobody' trace nobody --data one
check 2 'say of which agent' trace --data one
check 2 '--limit is 1 to 10000' trace weather --limit 0 --data one

timeout 20 "$haggle" trace weather --data one --follow --limit 1 >followed 2>&1 &
follower=$!
sleep 1
"$haggle" ask weather weather/1.0/request '{"city":"Graz"}' --data one >/dev/null
for _ in {1..50}; do
  ! grep -q 'went on' followed || break
  sleep 0.1
done
kill "$follower"
wait "$follower" 2>/dev/null
says '→ weather/1.0/forecast to operator' followed 'trace --follow'
