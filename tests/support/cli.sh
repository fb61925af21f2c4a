# shellcheck shell=bash
# Checks of the command line. Sourced by tests/integration/cli_*.sh; works in a folder of its own,
# ends the hosts it started, and prints "N passed, N failed" at the end.
set -u
haggle=${HAGGLE:?the program to test}
export LC_ALL=C.UTF-8 NO_COLOR=1
unset HAGGLE_PASSPHRASE
work=$(mktemp -d)
cd "$work" || exit
passed=0
failed=0
hosts=()

finish() {
  local pid
  for pid in "${hosts[@]}"; do kill -KILL "$pid" 2>/dev/null; done
  wait 2>/dev/null
  cd / && rm -rf "$work"
  echo "$passed passed, $failed failed"
  ((failed == 0 && passed > 0)) || exit 1
}
trap finish EXIT

pass() { passed=$((passed + 1)); }

fail() {
  failed=$((failed + 1))
  echo "FAILED: $*"
}

# says TEXT FILE WHAT: the file holds the text.
says() {
  if grep -qF -- "$1" "$2"; then
    pass
  else
    fail "$3: expected \"$1\" in:"
    sed 's/^/    /' "$2"
  fi
}

# check STATUS TEXT ARGUMENT…: `haggle ARGUMENT…` ends with the status and says the text.
check() {
  local expected=$1 text=$2 status=0
  shift 2
  timeout 60 "$haggle" "$@" >said 2>&1 </dev/null || status=$?
  if ((status != expected)); then
    fail "haggle $*: status $status instead of $expected"
    sed 's/^/    /' said
  else
    says "$text" said "haggle $*"
  fi
}

# start NAME ARGUMENT…: a host, its output in NAME.out and NAME.err; waits until it is there.
# Sets `host` to its process.
start() {
  local name=$1 try
  shift
  rm -f "$name.out" # what an earlier start on this folder said
  "$haggle" run --data "$name" "$@" >"$name.out" 2>"$name.err" </dev/null &
  host=$!
  hosts+=("$host")
  for ((try = 0; try < 300; try++)); do
    if [[ -S $name/control.sock ]] && grep -qs '^data' "$name.out"; then return; fi
    kill -0 "$host" 2>/dev/null || break
    sleep 0.1
  done
  fail "host $name did not start:"
  cat "$name.out" "$name.err"
}

# stop PID: ends a host as Ctrl-C does, and checks that it ends well.
stop() {
  local status=0
  kill -INT "$1" && wait "$1" || status=$?
  if ((status == 0)); then pass; else fail "a host ended with status $status"; fi
}

# field NAME OUTPUT-FILE: "host", "join" or "data" of what a host says when it starts.
field() { awk -v name="$1" '$1 == name { print $2; exit }' "$2"; }

# eventually TEXT ARGUMENT…: `haggle ARGUMENT…` comes to say the text.
eventually() {
  local text=$1 try
  shift
  for ((try = 0; try < 150; try++)); do
    timeout 60 "$haggle" "$@" >said 2>&1 </dev/null
    grep -qF -- "$text" said && break
    sleep 0.2
  done
  says "$text" said "haggle $*, in the end"
}
