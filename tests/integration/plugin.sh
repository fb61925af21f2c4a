#!/usr/bin/env bash
# The example engine is built outside of the tree with nothing but the installed header and a
# compiler, and does its work through the interface alone.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
plugin=$(cd "$(dirname "${BASH_SOURCE[0]}")/../plugin" && pwd) || exit

# quietly WHAT COMMAND…: it succeeds and says nothing.
quietly() {
  local what=$1 status=0
  shift
  "$@" >said 2>&1 </dev/null || status=$?
  if ((status == 0)) && [[ ! -s said ]]; then pass; else fail "$what: $(cat said)"; fi
}

cmake --install "${BUILD:?the build folder}" --prefix "$work/prefix" >said 2>&1 || fail "$(cat said)"
for page in runtime/infer/PLUGINS.md tests/plugin/scale.c; do
  if [[ -f prefix/share/doc/haggle/$page ]]; then pass; else fail "$page was not installed"; fi
done
cp "$plugin/scale.c" "$plugin/ask_scale.c" .
warnings=(-Wall -Wextra -Werror -pedantic -I prefix/include)
quietly 'the engine' cc -std=c11 "${warnings[@]}" -shared -fPIC -o scale.so scale.c
quietly 'what asks it' cc -std=c11 "${warnings[@]}" -o ask_scale ask_scale.c -ldl
./ask_scale ./scale.so >said 2>&1 </dev/null
says ok said 'the engine, asked'
if nm -D --defined-only scale.so | grep -q ' T haggle_engine$'; then pass; else fail 'no haggle_engine'; fi

# the header alone, as each language has it; "use" makes HAGGLE_HAS be compiled as well
cat >use.c <<'EOF'
#include <haggle/haggle_infer.h>
extern int use(const struct haggle_batch *batch);
int use(const struct haggle_batch *batch)
{
  return HAGGLE_HAS(batch, event) && batch->event >= 0;
}
EOF
cp use.c use.cpp
for standard in c99 c11 c17; do
  for compiler in gcc clang; do
    quietly "$compiler $standard" "$compiler" "-std=$standard" "${warnings[@]}" -c -o use.o use.c
  done
done
for standard in c++11 c++17; do
  compiler=$(command -v g++ || command -v clang++)
  quietly "$compiler $standard" "$compiler" "-std=$standard" "${warnings[@]}" -c -o use.o use.cpp
done
