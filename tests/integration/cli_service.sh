#!/usr/bin/env bash
# haggle service: units that systemd accepts, that nothing of an operator's is lost by, and what is said
# where systemd is, and where it is not.
# shellcheck source=tests/support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

mkdir "etc 1"
echo 'agent.on("x/1.0/y", function() end)' >"etc 1/a.lua"
echo 'return { grace = "21s", listen = "127.0.0.1:443", agents = { { name = "a", script = "a.lua" } } }' \
  >"etc 1/host.lua"
echo secret >pass
unit=root/etc/systemd/system/haggle.service

check 0 'systemctl daemon-reload' service install --config "etc 1/host.lua" --root "$work/root"
says "run --config \"$work/etc 1/host.lua\" --data %S/haggle/host" $unit 'the host file is named'
says 'TimeoutStopSec=31s' $unit 'the grace time of the host file counts'
says 'CAP_NET_BIND_SERVICE' $unit 'a low port needs a capability'
check 0 'is up to date' service install --config "etc 1/host.lua" --root root
check 0 'is written' service install --config "etc 1/host.lua" --root root --credential passphrase=pass
says "LoadCredential=passphrase:$work/pass" $unit 'an unchanged unit is replaced'

# what was changed by hand stays
sed -i 's/RestartSec=2s/RestartSec=9s/' $unit
check 1 '--force' service install --config "etc 1/host.lua" --root root
says 'RestartSec=9s' $unit 'a change by hand stays'
check 0 'is written' service install --config "etc 1/host.lua" --root root --force
says 'RestartSec=2s' $unit '--force writes over it'

check 0 'WantedBy=default.target' service install --user --config "etc 1/host.lua" --print
HOME=$work/me XDG_CONFIG_HOME='' check 0 'enable-linger' service install --user --name shop \
  --config "etc 1/host.lua"
says 'haggle/shop' me/.config/systemd/user/haggle-shop.service 'a unit of a user'
check 0 'haggle@NAME' service install --template --root root
check 2 '--config' service install
check 2 '--name' service install --name ../x --config "etc 1/host.lua"
check 2 'install or status' service
check 2 'without --config' service install --template --config "etc 1/host.lua"
check 1 'nothing.lua' service install --config nothing.lua
check 1 'NAME=FILE' service install --config "etc 1/host.lua" --credential x
echo 'return { agents = 5 }' >bad.lua
check 1 'agents' service install --config bad.lua --print

# systemd reads them without a word; it looks for the program and the pages of the manual, too
if command -v systemd-analyze >/dev/null; then
  check 0 '' service install --template --root root --force --program /bin/true
  mv root/etc/systemd/system/haggle@.service .
  sed -i '/^Documentation/d' $unit haggle@.service
  systemd-analyze verify "$work/$unit" "$work/haggle@x.service" >verified 2>&1
  # a machine without systemd as its first process says so
  grep -v 'D-Bus\|Failed to connect' verified >words
  if [[ ! -s words ]]; then pass; else fail "systemd-analyze verify: $(cat words)"; fi
  systemd-analyze security --offline=yes --threshold=20 "$work/haggle@.service" >exposure 2>&1 ||
    fail "the unit is exposed: $(tail -n 1 exposure)"
  says 'Overall exposure level' exposure 'systemd-analyze security'
else
  echo 'skipped: systemd-analyze is not here'
fi

# status, where systemctl answers, and where it does not
mkdir bin
cat >bin/systemctl <<'FAKE'
#!/bin/sh
case "$*" in
*haggle-shop*) printf 'LoadState=loaded\nActiveState=active\nMainPID=7\nActiveEnterTimestamp=today\n' ;;
*haggle@mill*) printf 'LoadState=loaded\nActiveState=active\nMainPID=8\nActiveEnterTimestamp=now\n' ;;
*--user*) echo 'Failed to connect to bus: No medium found' >&2; exit 1 ;;
*) printf 'LoadState=not-found\nActiveState=inactive\n' ;;
esac
FAKE
chmod +x bin/systemctl
PATH=$work/bin:$PATH check 0 'runs since today, as process 7' service status --name shop
PATH=$work/bin:$PATH check 0 'haggle@mill.service runs since now' service status --name mill
PATH=$work/bin:$PATH check 1 'is not installed' service status
PATH=$work/bin:$PATH check 1 'there is no systemd here' service status --user
mkdir empty
for tool in timeout grep sed; do ln -s "$(command -v $tool)" empty/; done
PATH=$work/empty check 1 'there is no systemd here' service status
check 2 'alone' service status --force

# a credential is read although its mode shows the access list that systemd gave it
mkdir credentials
echo secret >credentials/passphrase
chmod 440 credentials/passphrase
CREDENTIALS_DIRECTORY=$work/credentials start one "etc 1/a.lua" \
  --passphrase-file "$work/credentials/passphrase"
stop "$host"
check 1 'chmod 600' run --data one "etc 1/a.lua" --passphrase-file credentials/passphrase
