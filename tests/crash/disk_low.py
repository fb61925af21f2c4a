#!/usr/bin/env python3
# timeout: 120
# waits
"""Others fill the disk of a host: it stops taking messages in while there is still room, says so,
shows it, and goes on by itself. Nothing is lost, nothing is given up. Needs to mount a small tmpfs:
skipped where that is not permitted."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from counting import RECEIVER, SENDER  # noqa: E402
from hosts import Checks  # noqa: E402

MIB = 1 << 20
SIZE, RESERVE = 48 * MIB, 16 * MIB


def leave(path, room):
    """A file that leaves so much of the disk."""
    disk = os.statvfs("disk")
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - room)


def main(check):
    os.mkdir("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", "disk"],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        check.skip("a disk that is nearly full", mounted.stderr.strip())
        check.that(True, "nothing to test here")
        return
    try:
        check.script("sender.lua", SENDER)
        check.script("receiver.lua", RECEIVER)
        receiver = check.host("r", ["receiver.lua"], data="disk/r",
                              options=["--disk-reserve", "16MB"])
        sender = check.host("s", ["sender.lua"], join=receiver.url)

        def received():
            return receiver.body("receiver", "count/1.0/report")

        sender.ask("sender", "count/1.0/begin",
                   {"to": f"{receiver.agents['receiver']}@{receiver.did}"})
        check.eventually(lambda: received()["last"] > 50, "messages flow")
        about = receiver.call("describe")
        check.that(about["held"] is None and about["disk_reserve"] == RESERVE, "nothing is held",
                   about)
        for turn in (1, 2):
            leave("disk/ballast", 10 * MIB)
            check.eventually(lambda: receiver.call("describe")["held"] == "disk_low",
                             "the host stops taking in", detail=receiver.said)
            shown = check.haggle("agents", "--data", "disk/r").stdout
            check.says("held", shown, "its agents are shown as held")
            handled = receiver.call("describe")["received"]
            before = os.statvfs("disk").f_bavail
            cpu = receiver.cpu_s()
            check.eventually(lambda: sender.peer(receiver.did)["unacknowledged"] > 0,
                             "its peer's messages wait", detail=lambda: sender.call("peers"))
            time.sleep(2)
            check.that(receiver.call("describe")["received"] == handled, "and stay there")
            cpu = receiver.cpu_s() - cpu
            check.that(cpu < 1, "it waits without being busy", cpu)
            check.that(os.statvfs("disk").f_bavail > before - 256, "it fills the disk no more")
            count = receiver.said().count("less than the reserve")
            check.that(count == turn, "it says so once", count)
            if turn == 2:  # killed while it is held: held again from its start, and whole
                receiver.kill()
                receiver.start()
                check.eventually(lambda: receiver.call("describe")["held"] == "disk_low",
                                 "it starts, and is held")
            os.unlink("disk/ballast")
            check.eventually(lambda: receiver.call("describe")["held"] is None, "it goes on by itself")
            last = received()["last"]
            check.eventually(lambda: received()["last"] > last + 100, "messages flow again",
                             detail=lambda: (receiver.said()[-800:], sender.said()[-800:]))
            check.says("taken in again", receiver.said(), "it says that, too")
        total = sender.body("sender", "count/1.0/halt")["sent"]
        check.eventually(lambda: received() == {"last": total, "wrong": 0},
                         "every message came once and in order", detail=lambda: (total, received()))
        check.that(sender.body("sender", "count/1.0/report")["undelivered"] == 0, "none was given up")
        check.stop_all()
    finally:
        for host in check.hosts:
            if host.alive():
                host.kill()
        subprocess.run(["umount", "disk"], check=False)


with Checks() as check:
    main(check)
