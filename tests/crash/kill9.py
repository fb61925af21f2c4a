#!/usr/bin/env python3
# timeout: 240
"""Two hosts trade while one or the other is killed at random moments, also while it starts.

    tests/crash/kill9.py [--full] [--seed N] [--kills N] [--durability strict|relaxed]

After every kill the host has to start again, and the books of all tellers are looked through: no
message acknowledged and lost, none with two effects, no state by half, no money made or lost, and
every handler that was suspended goes on where it was. In between the trade is halted, and what is then
in the books has to be exact, with nothing suspended any more. --full: 500 kills for each durability
mode with the release build."""

import argparse
import os
import random
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hosts import HAGGLE, HAGGLE_RELEASE, KILLED, Checks, Control  # noqa: E402
from ledger import Ledger  # noqa: E402

FULL_KILLS, SAMPLE_KILLS, SAMPLE_SECONDS = 500, 12, 22
SETTLE_EVERY = 10

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--full", action="store_true", help=f"{FULL_KILLS} kills a mode")
parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "0")))
parser.add_argument("--kills", type=int)
parser.add_argument("--durability", choices=("strict", "relaxed"))
given = parser.parse_args()
SEED = given.seed or random.SystemRandom().randrange(1, 1 << 31)
KILLS = given.kills or (FULL_KILLS if given.full else SAMPLE_KILLS)
BINARY = HAGGLE_RELEASE if given.full else HAGGLE
MODES = {"strict": "strict", "relaxed": "relaxed 25ms"}


def trade_and_kill(check, mode, chance):
    trade = Ledger(check, MODES[mode], (BINARY, BINARY), prefix=f"{mode}-")
    trade.begin()
    kills = {"left": 0, "right": 0, "starting": 0, "both": 0}
    starts_ms, settled, count = [], 0, 0
    until = None if given.full or given.kills else time.monotonic() + SAMPLE_SECONDS

    def kill(side):
        host = trade.sides[side]
        status = host.kill()
        check.that(status in KILLED, f"{side} ran until it was killed",
                   (status, host.said()[-1500:]))

    def start(side):
        host, began = trade.sides[side], time.monotonic()
        if chance.random() < 0.15:
            host.launch()
            time.sleep(chance.uniform(0, 0.1 if given.full else 0.6))
            status = host.kill()
            check.that(status in KILLED, f"{side} was starting until it was killed",
                       (status, host.said()[-1500:]))
            kills["starting"] += 1
            began = time.monotonic()
        host.start()
        starts_ms.append((time.monotonic() - began) * 1000)

    while count < KILLS and (until is None or time.monotonic() < until):
        side = chance.choice(("left", "right"))
        control = Control(trade.sides[side].data)
        trade.order(side, control)
        time.sleep(chance.choice((chance.uniform(0, 0.02), chance.uniform(0, 0.6))))
        kill(side)
        trade.orders_done(side, control)
        control.close()
        kills[side] += 1
        if chance.random() < 0.1:
            other = "right" if side == "left" else "left"
            kill(other)
            start(other)
            kills["both"] += 1
        start(side)
        count = kills["left"] + kills["right"]
        if not trade.look():
            print(f"after {kills}", flush=True)
            return
        if chance.random() < 1 / SETTLE_EVERY:
            settled += 1
            if not trade.settle():
                print(f"after {kills}", flush=True)
                return
            trade.begin()
        if given.full and count % 50 < 1:
            print(f"{mode}: {count} kills, {trade.moved()} payments, {trade.steps()} steps",
                  flush=True)
    trade.settle()
    starts_ms.sort()
    print(f"{mode}: {count} kills {kills}, {trade.moved()} payments, {trade.steps()} steps of "
          f"suspended handlers, counted exactly {settled + 1} times; started again in "
          f"{starts_ms[len(starts_ms) // 2]:.0f} ms (median), {starts_ms[-1]:.0f} ms (slowest)",
          flush=True)
    check.that(trade.woken() > 10, "the tellers slept in between", trade.woken())
    check.that(trade.moved() > 100, "there was traffic worth the name", trade.moved())
    check.stop_all()


with Checks() as check:
    signal.alarm(0 if given.full or given.kills else 220)
    print(f"SEED={SEED}", flush=True)
    for mode in [given.durability] if given.durability else MODES:
        trade_and_kill(check, mode, random.Random(f"{SEED} {mode}"))
