#!/usr/bin/env bash
# An installed tree works from any folder, and finds its stdlib beside itself.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

cmake --install "${BUILD:?the build folder}" --prefix "$work/prefix" >said 2>&1 || fail "$(cat said)"
haggle=$work/prefix/bin/haggle
for file in bin/haggle share/haggle/stdlib/haggle/market.lua share/haggle/agents/echo/agent.lua \
  share/doc/haggle/runtime/host/SERVICE.md share/man/man1/haggle.1 \
  share/doc/haggle/examples/echo/agent.lua share/bash-completion/completions/haggle \
  share/zsh/vendor-completions/_haggle; do
  if [[ -f prefix/$file ]]; then pass; else fail "$file was not installed"; fi
done
pages=prefix/share/doc/haggle
mapfile -t links < <(grep -o '](\([^)#]*\)' $pages/README.md | sed 's/^](//' | sort -u)
((${#links[@]} > 4)) || fail 'README.md links to nothing'
for link in "${links[@]}"; do
  if [[ -e $pages/$link ]]; then pass; else fail "README.md links to $link, which is not installed"; fi
done
check 0 'protocol' version
says "ExecStart=\"$work/prefix/bin/haggle\" run" prefix/lib/systemd/system/haggle@.service 'the unit'
mkdir elsewhere && cd elsewhere || exit
echo 'local market = require "haggle.market"; agent.offer { service = "x", n = market and 1 or 0 }' >a.lua
start one a.lua
eventually '"n":1' find --data one --json service=x
stop "$host"
check 0 '1 file: 0 errors' check a.lua
check 0 'kiosk/agent.lua' new kiosk
types=$(sed -n 's/.*"workspace.library": \["\(.*\)"\].*/\1/p' kiosk/.luarc.json)
if [[ -f $types/agent.lua ]]; then pass; else fail "there are no annotations at $types"; fi

# moved as a whole, it still works; without its stdlib it says so
mv ../prefix ../moved
haggle=$work/moved/bin/haggle
start one a.lua
stop "$host"
rm -r ../moved/share
check 1 'the standard library is not at' run --data one a.lua
