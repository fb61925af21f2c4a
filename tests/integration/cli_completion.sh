#!/usr/bin/env bash
# Completions and the manual's page know every verb and every option of --help, and shells take them.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

for what in 'completion bash' 'completion zsh' man; do
  # shellcheck disable=SC2086  # two words
  "$haggle" $what >"${what// /.}" || fail "haggle $what"
done
mv completion.bash c.bash
mv completion.zsh _haggle
mv man haggle.1
sed 's/\\-/-/g' haggle.1 >man.txt

# every verb and option of --help is in all three
missing=()
options=0
while read -r verb; do
  grep -q "^  $verb)$" c.bash && grep -q "^    '$verb:" _haggle && grep -q "^  $verb)$" _haggle &&
    grep -q "^.SS $verb$" man.txt || missing+=("$verb")
  while read -r option; do
    options=$((options + 1))
    sed -n "/^  $verb)$/,/;;$/p" c.bash | grep -q -- "${option}[ ']" &&
      sed -n "/^  $verb)$/,/^    ;;$/p" _haggle | grep -q -- "$option\[" &&
      sed -n "/^.SS $verb$/,/^.SS /p" man.txt | grep -q -- "$option\\\\fR" ||
      [[ $option == --help ]] || missing+=("$verb $option")
  done < <("$haggle" "$verb" --help | sed -n '/^Options:$/,$s/^  \(--[a-z-]*\).*/\1/p')
done < <("$haggle" help | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p' | grep -v '^haggle$')
if ((${#missing[@]} == 0 && options > 60)); then pass; else
  fail "of $options options are missing: ${missing[*]}"
fi
if grep -q '^  completion' <("$haggle" help); then fail 'completion is listed'; else pass; fi
check 2 'bash, zsh or names' completion fish
check 0 'Options:' man --help

# man and groff take the page without a word
if command -v man >/dev/null; then
  man --warnings -l -Tutf8 haggle.1 >page 2>warnings
  if [[ -s page && ! -s warnings ]]; then pass; else fail "man: $(cat warnings)"; fi
else
  echo 'skipped: man is not here'
fi

# bash completes with it, agents of a running host among them
mkdir kiosk
echo 'agent.on("x/1.0/y", function() end)' >kiosk/agent.lua
echo 'agent.on("x/1.0/y", function() end)' >kestrel.lua
start one kiosk/agent.lua kestrel.lua
complete_line() { # WORD…: prints what bash offers for the last one
  bash --norc -c '
    . ./c.bash
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _haggle
    printf "%s\n" "${COMPREPLY[@]}" | LC_ALL=C sort -u | tr "\n" " "' bash x "$@" 2>&1
}
offers() { # EXPECTED WORD…
  local expected=$1 got
  shift
  got=$(complete_line "$@")
  if [[ $got == "$expected" ]]; then pass; else fail "for \"$*\" bash offers \"$got\""; fi
}
offers 'test ' "$haggle" te
offers '--data --delegation --disk-reserve --durability ' "$haggle" run --d
offers 'kestrel.lua kiosk ' "$haggle" run k
offers 'kestrel kestrel.lua kiosk ' "$haggle" agent --data one pause k
offers 'kestrel kestrel.lua kiosk ' "$haggle" agent --data = one pause k
offers 'remove restart resume ' "$haggle" agent re
offers 'journal json ' "$haggle" run --log j
offers 'json ' "$haggle" run --log = js
offers 'verify version ' "$haggle" help ve
offers ' ' "$haggle" run --seed x
check 0 'kiosk' completion names --data one
if "$haggle" completion names --data nothing >said 2>&1 || [[ -s said ]]; then
  fail 'a host that is not there has agents'
else
  pass
fi
stop "$host"

# zsh reads it, and hands each verb's options on
if command -v zsh >/dev/null; then
  zsh -n _haggle 2>said || fail "zsh: $(cat said)"
  # shellcheck disable=SC2016  # of zsh
  zsh -f -c '
    _arguments() { printf "%s\n" "$@"; }
    _describe() { printf "%s\n" "${haggle_verbs[@]}"; }
    words=(haggle keys ""); CURRENT=3; . ./_haggle
    words=(haggle ""); CURRENT=2; _haggle' >said 2>&1 || fail "zsh: $(cat said)"
  says '--passphrase-file[seals new keys, opens sealed ones (also\: HAGGLE_PASSPHRASE)]:FILE:' said 'zsh'
  says '*:word:{_haggle_offer files agents =show =rotate =new =delegate}' said 'zsh'
  says 'keys:identities\: show, replace, make, delegate' said 'zsh'
else
  echo 'skipped: zsh is not here'
fi
