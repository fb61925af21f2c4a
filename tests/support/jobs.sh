# shellcheck shell=bash
# Runs named tests two at a time, each in a process group of its own that is gone when the test is,
# and counts what they report. Sourced by tests/run, which sets:
#   logs      folder for one log a test
#   scratch   folder for one temporary folder a test
#
# A test is started with  start_test NAME TIMEOUT_S COUNTER COMMAND…  and all are awaited with
# finish_tests. COUNTER LOG STATUS prints "PASSED FAILED"; the counters are below.

: "${logs:?}" "${scratch:?}"

JOBS_MAX=2
passed=0
failed=0
failures=()         # "NAME<tab>LOG", in order of appearance
declare -A running=() # process id (= process group id) to "NAME<tab>COUNTER"

bold='' red='' plain=''
if [[ -t 1 ]]; then bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'; fi

# cmocka: "[  PASSED  ] 4 test(s)." and "[  FAILED  ] tests: 2 test(s), listed below:", a pair for
# each group of tests. A program that crashed has not printed all of them and counts as one failure.
count_cmocka() {
  local log=$1 status=$2 good bad skipped
  read -r good bad skipped < <(awk '
    match($0, /\[  PASSED  \] [0-9]+ test/) { good += substr($0, RSTART + 13) }
    match($0, /\[  SKIPPED \] [0-9]+ test/) { skipped += substr($0, RSTART + 13) }
    /\[  FAILED  \]/ && match($0, /[0-9]+ test\(s\)/) { bad += substr($0, RSTART) }
    END { print good + 0, bad + 0, skipped + 0 }' "$log")
  if ((status != 0 && bad == 0)); then bad=1; fi
  if ((status == 0 && good + bad + skipped == 0)); then bad=1; fi
  echo "$good $bad"
}

# A last line "N passed, N failed" says it; without one the exit status is one result.
count_summary() {
  local log=$1 status=$2
  if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    local good=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
    if ((status != 0 && bad == 0)); then bad=1; fi
    echo "$good $bad"
  else
    count_status "$log" "$status"
  fi
}

count_status() {
  if (($2 == 0)); then echo "1 0"; else echo "0 1"; fi
}

# fail NAME LOG [COUNT]: notes a failure and shows the end of its log.
fail() {
  local name=$1 log=$2 count=${3:-1}
  failed=$((failed + count))
  failures+=("$name"$'\t'"$log")
  printf '%sFAIL%s %s\n' "$red" "$plain" "$name"
  tail -n 30 "$log" 2>/dev/null | cut -c 1-300 | sed 's/^/    /'
}

start_test() {
  local name=$1 timeout_s=$2 counter=$3
  shift 3
  while ((${#running[@]} >= JOBS_MAX)); do finish_one; done
  local log="$logs/$name.log" own="$scratch/$name"
  mkdir -p "${log%/*}" "$own"
  # Job control gives the subshell a process group with its own id. It outlives the test, even one
  # that signals its whole group: the shell forgets jobs that died of a signal.
  set -m
  (
    trap - EXIT
    trap : INT TERM HUP
    cd "$own" && TMPDIR=$own timeout --foreground --kill-after=10 "$timeout_s" "$@"
    exit $?
  ) >"$log" 2>&1 </dev/null 9>&- &
  set +m
  running[$!]="$name"$'\t'"$counter"
}

finish_one() {
  local pid status=0 name counter good bad
  wait -n -p pid "${!running[@]}" || status=$?
  if [[ -z ${pid:-} ]]; then # killed together with its test
    for pid in "${!running[@]}"; do kill -0 "$pid" 2>/dev/null || break; done
  fi
  IFS=$'\t' read -r name counter <<<"${running[$pid]}"
  unset "running[$pid]"
  kill -KILL -- "-$pid" 2>/dev/null # whatever it has left behind
  if ((status == 124 || status == 137)); then echo "(ended: timed out)" >>"$logs/$name.log"; fi
  read -r good bad < <("$counter" "$logs/$name.log" "$status")
  passed=$((passed + good))
  ((bad == 0)) || fail "$name" "$logs/$name.log" "$bad"
  rm -rf "${scratch:?}/$name"
}

finish_tests() {
  while ((${#running[@]} > 0)); do finish_one; done
}

# For an exit before the end.
end_tests() {
  local pid
  for pid in "${!running[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done
  ((${#running[@]} == 0)) || sleep 0.5
  for pid in "${!running[@]}"; do kill -KILL -- "-$pid" 2>/dev/null; done
}

# stage TITLE FUNCTION…: runs the function, awaits its tests, prints one line.
stage() {
  local title=$1 before_passed=$passed before_failed=$failed start=$SECONDS
  shift
  "$@"
  finish_tests
  local good=$((passed - before_passed)) bad=$((failed - before_failed))
  ((good + bad > 0)) || return 0
  printf '%s%-12s%s %5d passed %4d failed  %4d s\n' "$bold" "$title" "$plain" "$good" "$bad" \
    $((SECONDS - start))
}
