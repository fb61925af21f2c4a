#!/usr/bin/env bash
# waits
# How the dashboard's page gets into the program: built once for all build folders, anew when its sources
# change, and left out in so many words where there is no npm. What npm and Node.js do stands here as scripts of
# a few lines: this is about what is made of them.
set -u
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
cd "$work" || exit
passed=0 failed=0

pass() { passed=$((passed + 1)); }
fail() {
  failed=$((failed + 1))
  echo "FAILED: $*"
}
is() { # EXPECTED ACTUAL WHAT
  if [[ $1 == "$2" ]]; then pass; else fail "$3: expected '$1', got '$2'"; fi
}
says() { # TEXT OUTPUT WHAT
  if [[ $2 == *"$1"* ]]; then pass; else fail "$3: '$1' is not in '$2'"; fi
}

# A tree with a page of two files.
mkdir -p runtime/dashboard/page/src bin few
cp "$tree/runtime/dashboard/build_page" "$tree/runtime/dashboard/embed_page.cmake" runtime/dashboard/
echo '{}' >runtime/dashboard/page/package-lock.json
echo 'one' >runtime/dashboard/page/src/app.js
build() { PATH="$work/${1:-bin}" "$work/bin/bash" runtime/dashboard/build_page out 2>&1; }

for tool in bash cat cp dirname find flock gzip mkdir mv rm sha256sum sort tar xargs; do
  path=$(command -v "$tool") || exit
  ln -s "$path" "bin/$tool"
  ln -s "$path" "few/$tool"
done
cat >bin/npm <<'END'
#!/bin/sh
echo "npm $*" >>../../calls
[ ! -e ../../offline ] || { echo "npm error network" >&2; exit 1; }
mkdir -p node_modules
END
cat >bin/node <<'END'
#!/bin/sh
[ "$1" != -p ] || { cat "$NODE_VERSION_FILE"; exit; }
echo "node $*" >>../../calls
[ ! -e ../../broken ] || { echo "app.js: what is this" >&2; exit 1; }
mkdir -p "$2/assets"
[ "$3" = --compressed ] || exit 1
echo '<!doctype html>' | gzip -n >"$2/index.html.gz"
gzip -n <src/app.js >"$2/assets/app.js.gz"
END
chmod +x bin/npm bin/node
echo 20 >version
export NODE_VERSION_FILE=$work/version
calls() { cut -d' ' -f1 calls 2>/dev/null | tr '\n' ' '; }

out=$(build few)
is 0 $? 'without npm the build goes on'
says "The dashboard's page is not built: there is no Node.js with npm here" "$out" 'and says so'
is 1 "$(wc -l <<<"$out")" 'in one line'
echo 16 >version
says 'it needs Node.js 18 or newer' "$(build)" 'an old Node.js is named'
echo 20 >version
touch offline
out=$(build)
is 0 $? 'without what npm fetches, too'
says 'npm could not fetch what it is made of' "$out" 'with where to look'
says 'npm error network' "$(cat out/npm.log)" 'where the reason stands'
rm offline calls

build >/dev/null
is 0 $? 'with npm a page is built'
is 'npm node ' "$(calls)" 'from what was fetched'
is one "$(gzip -dc out/page/assets/app.js.gz)" 'compressed'
build >/dev/null
is 'npm node ' "$(calls)" 'once'
echo two >runtime/dashboard/page/src/app.js
build >/dev/null
is 'npm node node ' "$(calls)" 'and again when a source changes, without fetching anything'
is two "$(gzip -dc out/page/assets/app.js.gz)" 'with what is new'
echo '{"a":1}' >runtime/dashboard/page/package-lock.json
build >/dev/null
is 'npm node node npm node ' "$(calls)" 'which the lock alone causes'
(build >/dev/null & build >/dev/null & wait)
is 'npm node node npm node ' "$(calls)" 'several builds at once share it'
touch broken
echo three >runtime/dashboard/page/src/app.js
out=$(build)
is 1 $? 'a page that does not compile fails the build'
says 'what is this' "$out" 'with what its compiler says'
if [[ -e out/page ]]; then fail 'an old page is taken for it'; else pass; fi
rm broken
build >/dev/null
is three "$(gzip -dc out/page/assets/app.js.gz)" 'until it is mended'

embed() { cmake -D "PAGE=$1" -D C=page.c -P runtime/dashboard/embed_page.cmake 2>&1; }
embed "$work/out/page" >/dev/null
says '{"/assets/app.js", "text/javascript; charset=utf-8", "\"' "$(cat page.c)" 'its files are in a table'
says '{"/", "text/html; charset=utf-8", "\"' "$(cat page.c)" 'the page itself at /'
mkdir host
cp "$tree/runtime/host/site_page.h" host/
cat >print.c <<'END'
#include <stdio.h>
#include "host/site_page.h"
int main(int argc, char **argv)
{
  for (const struct hgl_page_file *file = hgl_page_files; file->path; file++)
    if (argc > 1 && file->path[1] == *argv[1]) fwrite(file->data, 1, file->size, stdout);
  return 0;
}
END
if cc -Wall -Werror -I. print.c page.c -o print; then pass; else fail 'what is made of them compiles'; fi
is three "$(./print a | gzip -dc)" 'and holds what was built'
embed "$work/nowhere" >/dev/null
if cc -Wall -Werror -I. print.c page.c -o print; then pass; else fail 'no page compiles, too'; fi
is '' "$(./print a)" 'and is empty'
touch out/page/assets/strange.exe.gz
says 'no type of content is known for assets/strange.exe' "$(embed "$work/out/page")" 'a file of unknown type is named'

echo "$passed passed, $failed failed"
((failed == 0))
