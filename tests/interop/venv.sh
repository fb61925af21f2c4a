#!/bin/sh
# Makes a virtual environment with the pinned packages of requirements.txt, or leaves one alone that
# already has them.
#
#   venv.sh DIR
set -eu
[ $# -eq 1 ] || { echo "usage: venv.sh DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
if [ -x "$1/bin/python" ] && cmp -s "$here/requirements.txt" "$1/requirements.txt"; then
  exit 0
fi
rm -rf "$1"
python3 -m venv "$1"
"$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
cp "$here/requirements.txt" "$1/requirements.txt"
