# shellcheck shell=bash
# Runs named tests side by side, each in a process group of its own that is gone when the test is, and
# counts what they report. Sourced by tests/run, which sets:
#   logs      folder for one log a test
#   scratch   folder for one temporary folder a test
#
# A test is put in the queue with  add_test STAGE LANE NAME TIMEOUT_S COUNTER COMMAND…  and the queue is
# worked off by run_tests. LANE is busy (takes a core), waits (spends most of its time waiting for what
# it has started, so that it runs beside the others), or alone (beside nothing). Within a lane the order
# is that of the queue: what takes long goes in first, or a core is idle at the end. COUNTER LOG STATUS
# prints "PASSED FAILED"; the counters are below.

: "${logs:?}" "${scratch:?}"

declare -A lane_max=([busy]=2 [waits]=3 [alone]=1)
declare -A in_lane=([busy]=0 [waits]=0 [alone]=0)
passed=0
failed=0
failures=() # "NAME<tab>LOG", in order of appearance
queue=()    # "STAGE<tab>LANE<tab>NAME<tab>TIMEOUT_S<tab>COUNTER<tab>COMMAND, quoted"
declare -A running=() # process id (= process group id) to "STAGE<tab>LANE<tab>NAME<tab>COUNTER<tab>BEGAN"
# By stage: tests that are not done, results, and the seconds of its tests, which add up to more than
# what passed meanwhile.
declare -A stage_open=() stage_passed=() stage_failed=() stage_ms=()

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

add_test() {
  local stage=$1 lane=$2 name=$3 timeout_s=$4 counter=$5
  shift 5
  queue+=("$stage"$'\t'"$lane"$'\t'"$name"$'\t'"$timeout_s"$'\t'"$counter"$'\t'"${*@Q}")
  stage_open[$stage]=$((${stage_open[$stage]:-0} + 1))
}

now_ms() { echo $((${EPOCHREALTIME//[!0-9]/} / 1000)); }

start_test() {
  local stage=$1 lane=$2 name=$3 timeout_s=$4 counter=$5 command=$6
  local log="$logs/$name.log" own="$scratch/$name"
  mkdir -p "${log%/*}" "$own"
  # Job control gives the subshell a process group with its own id. It outlives the test, even one
  # that signals its whole group: the shell forgets jobs that died of a signal.
  set -m
  (
    trap - EXIT
    trap : INT TERM HUP
    eval "set -- $command"
    cd "$own" && TMPDIR=$own timeout --foreground --kill-after=10 "$timeout_s" "$@"
    exit $?
  ) >"$log" 2>&1 </dev/null 9>&- &
  set +m
  running[$!]="$stage"$'\t'"$lane"$'\t'"$name"$'\t'"$counter"$'\t'"$(now_ms)"
  in_lane[$lane]=$((in_lane[$lane] + 1))
}

finish_one() {
  local pid status=0 stage lane name counter began good bad ms
  wait -n -p pid "${!running[@]}" || status=$?
  if [[ -z ${pid:-} ]]; then # killed together with its test
    for pid in "${!running[@]}"; do kill -0 "$pid" 2>/dev/null || break; done
  fi
  IFS=$'\t' read -r stage lane name counter began <<<"${running[$pid]}"
  unset "running[$pid]"
  in_lane[$lane]=$((in_lane[$lane] - 1))
  kill -KILL -- "-$pid" 2>/dev/null # whatever it has left behind
  if ((status == 124 || status == 137)); then echo "(ended: timed out)" >>"$logs/$name.log"; fi
  read -r good bad < <("$counter" "$logs/$name.log" "$status")
  passed=$((passed + good))
  ((bad == 0)) || fail "$name" "$logs/$name.log" "$bad"
  rm -rf "${scratch:?}/$name"
  ms=$(($(now_ms) - began))
  printf '%d.%d s  %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$name" >>"$logs/times"
  stage_passed[$stage]=$((${stage_passed[$stage]:-0} + good))
  stage_failed[$stage]=$((${stage_failed[$stage]:-0} + bad))
  stage_ms[$stage]=$((${stage_ms[$stage]:-0} + ms))
  stage_open[$stage]=$((stage_open[$stage] - 1))
  ((stage_open[$stage] > 0)) || printf '%s%-12s%s %5d passed %4d failed  %4d s\n' "$bold" "$stage" \
    "$plain" "${stage_passed[$stage]}" "${stage_failed[$stage]}" $((stage_ms[$stage] / 1000))
}

# Whether a test of this lane may start now.
has_room() {
  local lane=$1
  ((in_lane[$lane] < lane_max[$lane] && in_lane[alone] == 0)) || return 1
  [[ $lane != alone ]] || ((${#running[@]} == 0))
}

# Starts what there is room for, in the order of the queue.
start_tests() {
  local i stage lane name timeout_s counter command
  for i in "${!queue[@]}"; do
    lane=${queue[$i]#*$'\t'}
    has_room "${lane%%$'\t'*}" || continue
    IFS=$'\t' read -r stage lane name timeout_s counter command <<<"${queue[$i]}"
    unset "queue[$i]"
    start_test "$stage" "$lane" "$name" "$timeout_s" "$counter" "$command"
  done
}

run_tests() {
  while ((${#queue[@]} + ${#running[@]} > 0)); do
    start_tests
    finish_one
  done
  [[ ! -f $logs/times ]] || sort -rn -o "$logs/times" "$logs/times"
}

# For an exit before the end.
end_tests() {
  local pid
  for pid in "${!running[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done
  ((${#running[@]} == 0)) || sleep 0.5
  for pid in "${!running[@]}"; do kill -KILL -- "-$pid" 2>/dev/null; done
}
