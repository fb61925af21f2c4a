#!/usr/bin/env bash
# timeout: 300
# The dashboard's page in a browser, against real hosts that trade: tests/browser/*.test.mjs, driven by
# playwright-core, which npm puts into build/browser, and Debian's Chromium.
#
#   tests/integration/dashboard.sh [TEXT]    only tests whose name has TEXT in it
set -u
tree=$(cd "$(dirname "$0")/../.." && pwd) || exit
modules=$tree/build/browser

if ! command -v chromium >/dev/null || ! command -v npm >/dev/null; then
  echo 'there is no Chromium or no npm here: runtime/packages build test installs them'
  echo '0 passed, 1 failed'
  exit 1
fi
if [[ ! -d $tree/build/dashboard/page ]]; then
  echo 'the page is not built: runtime/dashboard/build_page build/dashboard says why'
  echo '0 passed, 1 failed'
  exit 1
fi

mkdir -p "$modules" || exit
if ! cmp -s "$tree/tests/browser/package-lock.json" "$modules/fetched"; then
  cp "$tree"/tests/browser/{package.json,package-lock.json,.npmrc} "$modules" &&
    (cd "$modules" && npm ci --ignore-scripts --loglevel=error) &&
    cp "$tree/tests/browser/package-lock.json" "$modules/fetched" || exit
fi
export HAGGLE_BROWSER_MODULES=$modules
export HAGGLE_PICTURES=${HAGGLE_PICTURES-$tree/build/logs/browser}
exec node "$tree/tests/browser/run.mjs" "$@"
