#!/usr/bin/env bash
# timeout: 120
# The package's unit under a systemd of its own, in namespaces and a layer that nobody else sees: confined
# as it is, the host starts, says so, logs to the journal, takes over its host file, is watched and stops.
tree=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/support/cli.sh
. "$tree/tests/support/cli.sh"
release=$(dirname "${HAGGLE_RELEASE:-$tree/build/release/haggle}")
export DESTDIR=$work/installed
cmake --install "$release" --prefix /usr >said 2>&1 || fail "$(cat said)"
unset DESTDIR

if ((EUID != 0)) || [[ ! -x /lib/systemd/systemd ]]; then
  echo 'skipped: it needs root and systemd'
  exit
fi

# What the first process of the namespaces does before it becomes systemd.
cat >boot <<'BOOT'
set -eu
mkdir mounted
mount -t tmpfs tmpfs mounted
cd mounted
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" root
cd root
cp -a "$1/installed/." .
mkdir -p etc/haggle/echo mnt before
cp "$2/agents/echo/agent.lua" etc/haggle/echo/
echo 'return { agents = { { name = "echo", script = "echo/agent.lua" } } }' >etc/haggle/x.lua
cp "$1/probe" etc/probe
rm -f etc/systemd/system/default.target
cat >etc/systemd/system/probe.service <<'UNIT'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /etc/probe
StandardOutput=append:/mnt/probe.log
StandardError=append:/mnt/probe.log
UNIT
mount --bind "$1/told" mnt
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys 2>/dev/null || mount --rbind /sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup || true
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
ip link set lo up
pivot_root . before
cd /
umount -l /before
exec env -i container=haggle-test PATH="$PATH" /lib/systemd/systemd --system --unit=probe.service
BOOT

cat >probe <<'PROBE'
export HOME=/root LC_ALL=C.UTF-8
step() { echo "== $*"; }
systemctl start systemd-journald.socket systemd-journald.service
step start
timeout 30 systemctl start --job-mode=ignore-dependencies haggle@x.service
haggle service status --name x
step ask
haggle ask echo echo/1.0/say '{"text":"hi"}' --data /var/lib/haggle/x
step user
stat -c %U /var/lib/private/haggle/x
step reload
cat >/etc/haggle/x.lua <<'HOST'
return { agents = { { name = "echo", script = "echo/agent.lua" }, { name = "two", script = "echo/agent.lua" } } }
HOST
systemctl reload haggle@x
for ((try = 0; try < 50; try++)); do
  journalctl HAGGLE_MODULE=host --no-pager | grep 'agent two is added' && break
  sleep 0.1
done
step killed
systemctl kill -s KILL haggle@x
for ((try = 0; try < 80; try++)); do
  haggle service status --name x | grep 'restarted by systemd 1 times' && break
  sleep 0.1
done
step stop
systemctl stop haggle@x
systemctl show -p Result,ActiveState haggle@x
step done
systemctl exit 0
PROBE
mkdir told
timeout -k 5 80 unshare --mount --propagation private --pid --fork --kill-child --cgroup --uts --ipc --net \
  bash boot "$work" "$tree" >booted.log 2>&1 </dev/null
if [[ ! -s told/probe.log ]]; then
  echo "skipped: systemd does not start in namespaces here: $(tail -n 2 booted.log)"
  exit
fi
expect() { # TEXT STEP
  sed -n "/^== $2/,/^== /p" told/probe.log >part
  says "$1" part "under systemd, $2"
}
expect 'haggle@x.service runs since' start
expect 'it says: Serving as ws://127.0.0.1:' start
expect '"text":"hi"' ask
expect 'haggle' user
expect 'agent two is added' reload
expect 'restarted by systemd 1 times' killed
expect 'Result=success' stop
expect 'ActiveState=inactive' stop
says '== done' told/probe.log 'all of it'
((failed == 0)) || tail -n 60 told/probe.log
