#!/usr/bin/env bash
# The parts of the dashboard's page that need no browser: its connection, what it makes of events, how it
# shows text and numbers, the forms of an ask, evidence. They are tests of the page's own, in its language.
set -u
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit
cd "$tree" || exit

runtime/dashboard/build_page build/dashboard || exit
if [[ ! -d build/dashboard/page ]]; then
  echo "0 passed, 1 failed"
  exit 1
fi
output=$(cd build/dashboard/work && node test/run.mjs 2>&1)
status=$?
if ((status != 0)); then printf '%s\n' "$output"; fi
count() { sed -n "s/^\(# \|ℹ \)$1 \([0-9]*\)\$/\2/p" <<<"$output" | tail -n 1; }
passed=$(count pass)
failed=$(count fail)
echo "${passed:-0} passed, ${failed:-1} failed"
((status == 0))
