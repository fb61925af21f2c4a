#!/usr/bin/env python3
# timeout: 240
"""A host loses power while it trades with another, which survives.

    tests/crash/power_loss.py [--full] [--seed N] [--cuts N] [--durability strict|relaxed] [--lying]

The host runs with a recorder of its writes, syncs and sends (tests/support/record_writes.c), which
ends it at a chosen moment: just after it sent something, before a sync, between a sync and the meta
page, after it. From the record are made the images that a disk may hold then: what was synced is
there, of the rest any part may be missing. From each of them the host starts and trades on with the
peer, whose store holds all that was sent: neither may find that anything it heard is unknown to the
other, the money is all there, and every handler that was suspended goes on from where that disk has
it and comes to its end. --full: 40 cuts of each durability mode, 9 images of each. --lying is for
checking this test: a disk that does not keep what it synced, which has to be found out."""

import argparse
import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from disk import Disk, Loss, Snapshot  # noqa: E402
from hosts import HAGGLE, HAGGLE_RELEASE, TREE, Checks, Control, Ended, Refused  # noqa: E402
from ledger import TELLERS, Ledger  # noqa: E402

FULL_CUTS, SAMPLE_CUTS, SAMPLE_IMAGES, SAMPLE_SECONDS = 40, 3, 3, 16
FULL_STARTS, SAMPLE_STARTS = 60, 6
BUILD = os.environ.get("BUILD", os.path.join(TREE, "build/sanitize"))
RECORDER = os.path.join(BUILD, "tests/librecord_writes.so")
MODES = {"strict": "strict", "relaxed": "relaxed 25ms"}
MOMENTS = {"p": "a send", "o": "an answer to the operator", "w": "a write", "s": "the begin of a sync",
           "e": "the end of a sync", "m": "the begin of a meta page", "*": "anything"}
# What a host says when a store lacks what it said, or a peer what it acknowledged.
COMPLAINTS = ("new incarnation", "has lost", "restored", "old copy", "old_incarnation", "fork",
              "gap", "damaged", "claims", "two headers")

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--full", action="store_true")
parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "0")))
parser.add_argument("--cuts", type=int)
parser.add_argument("--durability", choices=tuple(MODES))
parser.add_argument("--lying", action="store_true")
given = parser.parse_args()
SEED = given.seed or random.SystemRandom().randrange(1, 1 << 31)
CUTS = given.cuts or (FULL_CUTS if given.full else SAMPLE_CUTS)
BINARY = HAGGLE_RELEASE if given.full else HAGGLE


class Cuts:
    """Cuts of the power of the left host of a ledger, again and again."""

    def __init__(self, check, mode, chance):
        self.check, self.chance, self.mode = check, chance, mode
        self.folder = f"{mode}-disk"
        os.mkdir(self.folder)
        self.trade = Ledger(check, MODES[mode], (BINARY, BINARY), prefix=f"{mode}-",
                            datas=(f"{self.folder}/data", None))
        self.host, self.peer = self.trade.left, self.trade.right
        self.images = self.lost = self.cut = self.sends = self.syncs = 0
        self.moments = {}

    def record(self):
        """Trades with the recorder until the power goes; false: it did not."""
        host, chance = self.host, self.chance
        check = self.check
        self.trade.begin()  # and it goes on when the host is started again
        check.that(host.stop() == 0, "the host stops before it is recorded", host.said()[-800:])
        self.disk = Disk(self.folder, f"{self.mode}.log")
        moment = chance.choice(list(MOMENTS))
        kill = f"{moment}:{chance.randrange(200, 1200)}:{chance.randrange(4)}"
        host.binary, host.wrapper = HAGGLE_RELEASE, self.disk.environment(RECORDER, kill)
        host.launch()
        try:
            host.wait_ready()
            control = Control(host.data)
        except (Ended, OSError):
            control = None  # so early
        until = time.monotonic() + 10
        while host.alive() and time.monotonic() < until:
            if control:
                try:
                    self.trade.order("left", control)
                except OSError:
                    break
            host.wait(0.1)
        ended = host.wait(1) is not None
        if not ended:
            moment = "*"
            host.kill()
        self.moments[MOMENTS[moment]] = self.moments.get(MOMENTS[moment], 0) + 1
        if control:
            self.trade.orders_done("left", control)
            control.close()
        host.binary, host.wrapper = BINARY, []
        self.disk.read_log(given.lying)
        check.that(not self.disk.problems, "the recorder saw everything", self.disk.problems)
        if not given.lying:
            wrong = self.disk.agrees(f"{self.mode}.agrees")
            check.that(wrong is None, "what was recorded is what the files hold", wrong)
        self.lost += self.disk.unsynced
        self.sends += self.disk.counts.get("p", 0)
        self.syncs += self.disk.counts.get("s", 0)
        self.cut += 1

    def peer_at_rest(self):
        """Waits until the peer has stored all that reached it, and keeps what it then holds."""
        def got():
            self.trade.ask_all("ledger/1.0/halt", ("right",))
            reports = self.trade.ask_all("ledger/1.0/report", ("right",))
            return [report["got"][did]["n"] for report in reports.values()
                    for did in (self.host.agents[name] for name in TELLERS)]

        before, now = None, got()
        while now != before or self.peer.linked(self.host.did):
            time.sleep(0.1)
            before, now = now, got()
        self.peer.kill()
        self.survivor = Snapshot(self.peer.data, f"{self.mode}.survivor")

    def try_image(self, kind):
        """Starts both from what is left; true: nothing is missing."""
        check, host, peer, trade = self.check, self.host, self.peer, self.trade
        self.images += 1
        self.disk.restore(Loss(kind, self.chance))
        self.survivor.restore()
        trade.seen, trade.ordered = dict(self.seen), dict(self.ordered)
        try:
            peer.start()
            host.start()
        except Ended as error:
            return check.that(False, f"a host starts after power loss ({kind})", error)
        try:
            trade.begin()
        except (OSError, Refused) as error:
            return check.that(False, f"the host works after power loss ({kind})",
                              (error, host.said()[-1500:]))
        check.eventually(lambda: host.linked(peer.did) and peer.linked(host.did),
                         f"they link again ({kind})", detail=host.said)
        good = trade.settle()
        for one in (host, peer):
            said = one.said()
            word = next((word for word in COMPLAINTS if word in said), None)
            good &= check.that(word is None, f"{one.name} misses nothing ({kind})", said[-1500:])
        return good

    def run(self, images):
        """One cut, and what may be left of it."""
        self.record()
        self.peer_at_rest()
        self.seen, self.ordered = dict(self.trade.seen), dict(self.trade.ordered)
        for i, kind in enumerate(images):
            if i:
                self.host.kill()
                self.peer.kill()
            if not self.try_image(kind):
                return False
        return True


def starts(check, mode, chance, count):
    """The power goes while a new folder is made: what was announced before is the same after."""
    told = 0
    whole = None
    for i in range(count):
        folder = f"{mode}-new-{i}"
        os.mkdir(folder)
        script = check.script("quiet.lua", "agent.on('a/1.0/b', function() end)")
        disk = Disk(folder, f"{mode}-new.log")
        kill = f"*:0:{chance.randrange(whole)}" if whole else None
        host = check.host(folder + "-host", [script], start=False, data=f"{folder}/data",
                          binary=HAGGLE_RELEASE, options=["--durability", MODES[mode]],
                          wrapper=disk.environment(RECORDER, kill))
        host.launch()
        try:
            host.wait_ready()
            before = host.did, host.agents
            told += 1
        except Ended:
            before = None
        if before:
            host.wait(0.3)
        host.kill()
        disk.read_log(given.lying)
        whole = whole or sum(disk.counts.values())
        for kind in chance.sample(Loss.KINDS, 3) if kill else ("none",):
            disk.restore(Loss(kind, chance))
            host.binary, host.wrapper = BINARY, []
            try:
                host.start()
            except Ended as error:
                check.that(False, f"a new host starts after power loss ({kind}, {kill})", error)
                break
            check.that(before in (None, (host.did, host.agents)),
                       f"who was announced is there after power loss ({kind}, {kill})",
                       (before, host.did, host.agents))
            host.kill()
    print(f"{mode}: {count} first starts of {whole} events cut short, {told} of them announced",
          flush=True)


with Checks() as check:
    print(f"SEED={SEED}", flush=True)
    for mode in [given.durability] if given.durability else MODES:
        chance = random.Random(f"{SEED} {mode}")
        starts(check, mode, chance, FULL_STARTS if given.full else SAMPLE_STARTS)
        cuts, until = Cuts(check, mode, chance), time.monotonic() + SAMPLE_SECONDS
        for i in range(CUTS):
            others = [kind for kind in Loss.KINDS if kind != "none"]
            images = Loss.KINDS if given.full else ["none", *chance.sample(others, SAMPLE_IMAGES - 1)]
            if not cuts.run(images):
                break
            if not (given.full or given.cuts) and time.monotonic() > until:
                break
        print(f"{mode}: the power went {cuts.cut} times after {cuts.moments}; {cuts.sends} sends, "
              f"{cuts.syncs} syncs, {cuts.lost} writes not synced; {cuts.images} images; "
              f"{cuts.trade.moved()} payments, {cuts.trade.steps()} steps of suspended handlers",
              flush=True)
        check.that(cuts.sends > cuts.cut, "there was traffic worth the name", cuts.sends)
    check.stop_all()
