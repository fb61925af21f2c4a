#!/usr/bin/env python3
# timeout: 90
"""Clocks that differ: an hour is refused at hello, on both sides with the offset, and mended when
the clock is; a minute is no matter. Needs faketime: skipped where it is missing."""

import glob
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE_RELEASE, TREE, Checks  # noqa: E402

ECHO = os.path.join(TREE, "agents/echo/agent.lua")
LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)


def clock(offset):
    """Runs a program with another time of day; its monotonic clock stays. The `faketime` command
    would stand between us and the program's process."""
    return ["env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME={offset}", "FAKETIME_DONT_FAKE_MONOTONIC=1"]


def usable():
    if not LIBRARY:
        return False
    done = subprocess.run([*clock("+1h"), "date", "+%s"], capture_output=True, text=True, check=False)
    works = done.returncode == 0 and abs(int(done.stdout) - time.time() - 3600) < 60
    done = subprocess.run([*clock("+1h"), HAGGLE_RELEASE, "version"], capture_output=True, timeout=20,
                          check=False)
    return works and done.returncode == 0


def main(check):
    if not usable():
        check.skip("clocks that differ", "no faketime that works with the program")
        check.that(True, "nothing to test here")
        return
    a = check.host("a", [ECHO], binary=HAGGLE_RELEASE)
    for name, offset, seconds in (("ahead", "+1h", 3600), ("behind", "-1h", -3600)):
        b = check.host(name, [ECHO], binary=HAGGLE_RELEASE, join=a.url, wrapper=clock(offset))
        check.eventually(lambda: "(clock_skew)" in b.said(), f"{name}: refused by the one",
                         detail=b.said)
        check.eventually(lambda: b.did in a.said() and "(clock_skew)" in a.said(),
                         f"{name}: and by the other", detail=a.said)
        offsets = [int(number) for number in re.findall(r"clocks differ by (-?\d+) s", b.said())]
        check.that(offsets and any(abs(abs(each) - 3600) < 60 for each in offsets),
                   f"{name}: the offset is reported", offsets)
        offsets = [int(number) for number in re.findall(r"clocks differ by (-?\d+) s", a.said())]
        check.that(any(abs(each - seconds) < 60 for each in offsets),
                   f"{name}: on both sides, with its sign", offsets)
        check.that(not b.linked(a.did) and not a.linked(b.did), f"{name}: no link comes of it")
        skew = b.peer(a.did)["skew_ms"]
        check.that(abs(skew + seconds * 1000) < 60000, f"{name}: `haggle peers` shows the offset", skew)
        # The clock is set right.
        check.that(b.stop() == 0, f"{name}: it stops")
        b.wrapper = []
        if name == "behind":
            b.start()
            check.eventually(lambda: b.linked(a.did), f"{name}: linked once the clock is right",
                             detail=b.said)
            check.that(b.stop() == 0, f"{name}: it stops again")
    near = check.host("near", [ECHO], binary=HAGGLE_RELEASE, join=a.url, wrapper=clock("+60s"))
    check.eventually(lambda: near.linked(a.did), "a minute is no matter", detail=near.said)
    skew = a.peer(near.did)["skew_ms"]
    check.that(abs(skew - 60000) < 5000, "and is known", skew)
    check.stop_all()


with Checks() as check:
    main(check)
