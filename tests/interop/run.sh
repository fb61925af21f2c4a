#!/bin/sh
# Checks Haggle's evidence with a verifier that shares no code with it: valid vectors are accepted,
# invalid ones and every tampered variant refused. With HAGGLE set to the path of the program,
# `haggle verify` must come to the same answers, and what `haggle export` gives of a deal between two
# hosts is checked likewise; and a host written from the specification alone (second_host.py) talks
# to a real one, honestly and not.
#
#   run.sh [VENV_DIR]        one line a check, counts at the end
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${1:-$root/build/interop-venv}
mkdir -p "$(dirname "$venv")"
"$here/venv.sh" "$venv"

results=$(mktemp)
live=$(mktemp -d)
trap 'rm -rf "$results" "$live"' EXIT
verifier() { "$venv/bin/python" "$here/verify_evidence.py" "$@"; }

# check accept|refuse NAME COMMAND…: whether the exit status is 0 (accepted) or 1 (refused). Any
# other status is a failure of the verifier itself.
check() {
  expected=$1 label=$2
  shift 2
  status=0
  output=$("$@" 2>&1) || status=$?
  case $expected:$status in
    accept:0 | refuse:1) echo "ok $label" | tee -a "$results" ;;
    *) echo "FAILED $label: $output" | tee -a "$results" ;;
  esac
}

for file in "$root"/protocol/vectors/valid/*evidence*.cbor; do
  name=$(basename "$file" .cbor)
  check accept "independent verifier accepts $name" verifier "$file"
  check accept "independent verifier refuses every tampered variant of $name" \
    verifier --tamper "$file"
  [ -z "${HAGGLE:-}" ] || check accept "haggle verify accepts $name" "$HAGGLE" verify "$file"
done
for file in "$root"/protocol/vectors/invalid/*evidence*.cbor; do
  name=$(basename "$file" .cbor)
  check refuse "independent verifier refuses $name" verifier "$file"
  [ -z "${HAGGLE:-}" ] || check refuse "haggle verify refuses $name" "$HAGGLE" verify "$file"
done

if [ -n "${HAGGLE:-}" ]; then
  check accept "a second implementation of the link" "$venv/bin/python" "$here/link.py"
  check accept "evidence of a deal between two hosts is exported" \
    "$venv/bin/python" "$here/collect_evidence.py" "$live"
  for file in "$live"/live-*.cbor; do
    name=$(basename "$file" .cbor)
    check accept "independent verifier accepts $name" verifier "$file"
    check accept "haggle verify accepts $name" "$HAGGLE" verify "$file"
    check accept "independent verifier refuses every tampered variant of $name" \
      verifier --tamper "$file"
  done
fi

passed=$(grep -c '^ok ' "$results" || true)
failed=$(grep -c '^FAILED ' "$results" || true)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
