#!/usr/bin/env bash
# timeout: 240
# The Debian package: made by CPack, installed by dpkg into this machine's own system as it would be, but
# into a layer above it that nobody else sees; its program works there, and removed it leaves nothing.
tree=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/support/cli.sh
. "$tree/tests/support/cli.sh"
release=$(dirname "${HAGGLE_RELEASE:-$tree/build/release/haggle}")

cpack -G DEB --config "$release/CPackConfig.cmake" -B "$work/made" >made.log 2>&1 ||
  fail "cpack: $(tail -n 20 made.log)"
package=$(echo "$work"/made/haggle_*.deb)
[[ -f $package ]] || exit 1
dpkg-deb -f "$package" >control
dpkg-deb -c "$package" >contents
for name in libwebsockets-evlib-uv libwebsockets1 libuv1 liblua5.4-0 libsodium23 libjansson4 liblmdb0 libssl3 \
  libcbor; do
  says "$name" control 'Depends'
done
for path in bin/haggle share/haggle/stdlib/haggle/market.lua share/haggle/agents/echo/agent.lua \
  share/man/man1/haggle.1.gz share/bash-completion/completions/haggle share/zsh/vendor-completions/_haggle \
  lib/systemd/system/haggle@.service share/doc/haggle/runtime/host/SERVICE.md share/doc/haggle/copyright \
  'share/doc/haggle/examples -> ../../haggle/agents'; do
  says "./usr/$path" contents 'the package holds'
done
if grep -v ' root/root ' contents; then fail 'files of others'; else pass; fi
if dpkg-deb -f "$package" Depends | grep -q asan; then fail 'a sanitizer is depended on'; else pass; fi

# What Debian's own checks find; nobody is at the address yet.
if command -v lintian >/dev/null; then
  lintian --allow-root --tag-display-limit 0 --suppress-tags \
    bogus-mail-host,bogus-mail-host-in-debian-changelog,maintainer-script-calls-systemctl \
    "$package" >lint 2>&1
  if [[ ! -s lint ]]; then pass; else fail "lintian: $(cat lint)"; fi
else
  echo 'skipped: lintian is not here'
fi

# Runs in the layer, as root of it.
cat >inside <<'INSIDE'
set -u
cd /root || exit
export HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
unset HAGGLE HAGGLE_RELEASE BUILD
step() { echo "== $*"; }
step install
dpkg -i "$1" || exit 1
ls -l /usr/bin/haggle
step version
haggle version || exit 1
step new
haggle new kiosk && haggle test kiosk || exit 1
step run
haggle run kiosk/agent.lua --data data >run.out 2>run.err &
host=$!
for ((try = 0; try < 100; try++)); do [[ -S data/control.sock ]] && break; sleep 0.1; done
haggle agents --data data || cat run.out run.err
haggle find --data data
kill -INT "$host" && wait "$host" || exit 1
step unit
grep -F 'ExecStart="/usr/bin/haggle" run --config /etc/haggle/%i.lua' /usr/lib/systemd/system/haggle@.service
step man
! command -v man >/dev/null || man --warnings -Tutf8 haggle | grep -a -m 1 HAGGLE
step linked
ldd /usr/bin/haggle | grep 'not found'
step purge
dpkg -r haggle && dpkg -P haggle || exit 1
step left
for name in $(dpkg-deb -c "$1" | awk '{ print substr($6, 2) }'); do
  case $name in */) continue ;; esac
  [[ ! -e $name && ! -L $name ]] || echo "left: $name"
done
for name in /usr/share/haggle /usr/share/doc/haggle /etc/haggle /var/lib/haggle; do
  [[ ! -e $name ]] || echo "left: $name"
done
dpkg -s haggle >/dev/null 2>&1 && echo 'left: dpkg knows it'
step done
INSIDE

# A layer above this machine's files, in memory; it goes with the namespace.
cat >layer <<'LAYER'
set -eu
mkdir -p "$1/mounted"
mount -t tmpfs tmpfs "$1/mounted"
mkdir "$1/mounted/upper" "$1/mounted/work" "$1/mounted/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/mounted/upper,workdir=$1/mounted/work" \
  "$1/mounted/root"
mount --rbind /proc "$1/mounted/root/proc"
mount --rbind /dev "$1/mounted/root/dev"
mount -t tmpfs tmpfs "$1/mounted/root/run"
mount -t tmpfs tmpfs "$1/mounted/root/root"
cp "$2" "$1/mounted/root/root/haggle.deb"
cp "$1/inside" "$1/mounted/root/root/inside"
exec chroot "$1/mounted/root" bash /root/inside /root/haggle.deb
LAYER

if ((EUID != 0)); then
  echo 'skipped: only root can mount a layer to install into'
  exit
fi
unshare --mount --propagation private bash layer "$work" "$package" >inside.log 2>&1
status=$?
if ((status == 0)); then pass; else fail "inside: status $status"; fi
section() { sed -n "/^== $1$/,/^== /p" inside.log | sed '1d; $d'; }
expect() { # TEXT SECTION
  section "$2" >part
  says "$1" part "$2, installed"
}
expect 'protocol haggle.v1' version
expect '0 failed' new
expect 'kiosk' run
expect 'ExecStart=' unit
if [[ -z $(section left) && -z $(section linked) ]]; then pass; else
  fail "left behind or missing: $(section left) $(section linked)"
fi
says '== done' inside.log 'all of it'
((failed == 0)) || sed 's/^/    /' inside.log
if [[ ! -e /usr/bin/haggle ]]; then pass; else fail 'it was installed into the machine itself'; fi
