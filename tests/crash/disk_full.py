#!/usr/bin/env python3
# timeout: 150
# waits
"""The disk of a host fills up while messages flow. The host holds, says so and does not end; when
there is room again everything goes on, and nothing that was acknowledged is lost. Needs to mount a
small tmpfs: skipped where that is not permitted."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from counting import RECEIVER, SENDER  # noqa: E402
from hosts import Checks  # noqa: E402


def fill(path):
    """A file that takes all the room there is."""
    with open(path, "wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def one_round(check, full, other, sender, receiver, name):
    """`full` is the host on the small disk."""
    def sent():
        return sender.body("sender", "count/1.0/report")

    def received():
        return receiver.body("receiver", "count/1.0/report")

    before = check.eventually(lambda: received()["last"] > 50 and received(),
                              f"{name}: messages flow")
    fill("disk/ballast")
    check.eventually(lambda: "No space left on device" in full.said(),
                     f"{name}: the host says that the disk is full", detail=full.said)
    cpu = full.cpu_s()
    time.sleep(3)
    cpu = full.cpu_s() - cpu
    check.that(cpu < 1, f"{name}: it waits without being busy", f"{cpu} s of 3")
    check.that(full.alive(), f"{name}: the host goes on running", full.said()[-800:])
    check.that(other.alive(), f"{name}: so does the other")
    said = len(full.said())
    check.that(said < 20000, f"{name}: it does not say so again and again", said)
    check.eventually(lambda: full.call("describe")["did"] == full.did,
                     f"{name}: it answers its operator")
    os.unlink("disk/ballast")
    check.eventually(lambda: received()["last"] > before["last"] + 200,
                     f"{name}: with room again everything goes on",
                     detail=lambda: (before, received(), sent(), full.said()[-800:]))


def main(check):
    os.mkdir("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", "disk"],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        check.skip("a full disk", mounted.stderr.strip())
        check.that(True, "nothing to test here")
        return
    try:
        check.script("sender.lua", SENDER)
        check.script("receiver.lua", RECEIVER)
        for name in ("receiving", "sending"):
            small = f"disk/{name}"
            # No reserve: here the disk itself is to say that it is full.
            options = ["--disk-reserve", "0"]
            receiver = check.host(f"{name}-r", ["receiver.lua"], options=options,
                                  data=small if name == "receiving" else None)
            sender = check.host(f"{name}-s", ["sender.lua"], join=receiver.url, options=options,
                                data=small if name == "sending" else None)
            full, other = (receiver, sender) if name == "receiving" else (sender, receiver)
            sender.ask("sender", "count/1.0/begin",
                       {"to": f"{receiver.agents['receiver']}@{receiver.did}"})
            one_round(check, full, other, sender, receiver, name)
            # Full once more; killed and started while it is full, it comes back when there is room.
            fill("disk/ballast")
            time.sleep(1.5)
            full.kill()
            full.launch()
            time.sleep(2)
            ended = full.process.poll()
            check.that(ended is None or ended > 0, f"{name}: a start on a full disk does not crash",
                       full.said()[-1500:])
            if ended is not None:
                check.that("disk_full" in full.said() or "No space" in full.said(),
                           f"{name}: and says why", full.said())
            os.unlink("disk/ballast")
            if ended is not None:
                full.start()
            else:
                full.wait_ready()
            total = sender.body("sender", "count/1.0/halt")["sent"]
            check.eventually(lambda: sender.body("sender", "count/1.0/report")["answered"] == total,
                             f"{name}: every message is answered in the end",
                             detail=lambda: (total, sender.body("sender", "count/1.0/report"),
                                             receiver.body("receiver", "count/1.0/report")))
            got = receiver.body("receiver", "count/1.0/report")
            check.that(got == {"last": total, "wrong": 0}, f"{name}: each once and in order",
                       (total, got))
            check.that(sender.body("sender", "count/1.0/report")["undelivered"] == 0,
                       f"{name}: none was given up")
            print(f"{name}: {total} messages", flush=True)
            check.that(receiver.stop() == 0 and sender.stop() == 0, f"{name}: both end well")
        check.no_sanitizer_words()
    finally:
        for host in check.hosts:
            if host.alive():
                host.kill()
        subprocess.run(["umount", "disk"], check=False)


with Checks() as check:
    main(check)
