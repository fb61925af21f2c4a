#!/usr/bin/env python3
# timeout: 300
"""The unit tests with memory refused, place by place: no crash, no hang, no leak.

    tests/crash/out_of_memory.py [--full | --every] [--seed N] [--only PATTERN] [--points N]
                                 [--seconds N] [--jobs N]

Every program under build/sanitize/tests that is a unit test is swept (tests/support/sweep.h). --full
refuses up to 400 requests a test, which takes hours on two cores; --every refuses each single one, most
of them at the same places again and again, which takes a day or more. Otherwise each program gets
half a second, or a little more. The seed says what is done of what the bounds leave out. A test that
fails requests itself is left out."""

import argparse
import concurrent.futures
import fnmatch
import glob
import os
import random
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TREE, "build/sanitize"))

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--full", action="store_true")
parser.add_argument("--every", action="store_true", help="each request, not each place")
parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "0")))
parser.add_argument("--only", default="*", help="of the programs, as in unit_agent_*")
parser.add_argument("--points", type=int, help="how often a test is run at most")
parser.add_argument("--seconds", type=float, help="for each program")
parser.add_argument("--jobs", type=int, help="programs at a time: one, or as many as there are "
                                             "processors with --full and --every")
given = parser.parse_args()
SEED = given.seed or random.SystemRandom().randrange(1, 1 << 31)
POINTS = "every" if given.every else given.points or (400 if given.full else 8)
FULL = given.full or given.every
SECONDS = given.seconds if given.seconds is not None else (0 if FULL else 0.5)
JOBS = given.jobs or (os.cpu_count() if FULL else 1)


def sweep(program):
    environment = dict(os.environ, HAGGLE_SWEEP=f"{SEED}:{POINTS}:{round(SECONDS * 1000)}")
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        environment["TMPDIR"] = folder
        return subprocess.run([program], env=environment, stdin=subprocess.DEVNULL, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, cwd=folder).stdout


print(f"SEED={SEED}", flush=True)
programs = [path for path in sorted(glob.glob(os.path.join(BUILD, "tests/unit_*_test")))
            if fnmatch.fnmatch(os.path.basename(path), f"*{given.only}*")]
passed = failed = refused = noticed = places = 0
with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
    for program, output in zip(programs, pool.map(sweep, programs)):
        name = os.path.basename(program)
        last = re.search(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
        good = last and last.group(2) == "0"
        passed += int(last.group(1)) if last else 0
        failed += int(last.group(2)) if last else 1
        for line in re.finditer(r"from (\d+) places, refused (\d+) times of \d+, noticed (\d+)",
                                output):
            places += int(line.group(1))
            refused += int(line.group(2))
            noticed += int(line.group(3))
        if not good:
            print(f"FAILED: {name}\n{output}", flush=True)
        elif FULL:
            print(f"{name}: {last.group(0)}", flush=True)
print(f"{refused} refusals in {passed + failed} tests; {noticed} were noticed by the tests "
      "themselves, the rest made no difference", flush=True)
print(f"{passed} passed, {failed} failed", flush=True)
sys.exit(0 if passed and not failed else 1)
