"""Writes negotiations by rules.py, offer by offer, for replay_spec.lua to repeat with real agents.

    python replay.py > replay.txt

A line: ceiling, floor, asking, opening (-1: none), patience of buyer and seller, delay, strategy of
buyer and seller, then what was said: b12 a bid, c15 a counter-offer, and last who ended it: ab15 the
buyer accepted 15, as12 the seller 12, db and ds one of them declined. "model" here is not the
trained one: `scattered` chooses among its actions by a hash of its features, so that each of them
occurs and the smallest difference in a feature shows. With --trained it is the trained one:
tests/integration/market_model.py compares with agents on a real host.
"""

import os
import sys

import numpy as np

import evaluate
import rules

SEED, NEGOTIATIONS, TRAINED = 11, 192, 18


def scattered(delay):
    def strategy(side, index):
        seen = rules.features(side, delay[index]).astype(np.float64)
        total = np.zeros(index.size)
        for number in range(rules.FEATURES):
            total += np.abs(seen[:, number]) * (number + 1)
        mark = np.floor(total * 65536).astype(np.int64)
        scores = (mark[:, None] * (7 * np.arange(1, rules.ACTIONS + 1) + 3)) % 101
        # It leaves now and then, not mostly.
        scores[:, rules.QUIT] = np.where(mark % 13 == 0, 101, -1)
        action = np.where(rules.permitted(side), scores, -2).argmax(-1)
        return rules.proposal(side, action), action == rules.QUIT

    return strategy


def pairing(names, model):
    """Each negotiation with the strategy of its own name."""

    def strategy(side, index):
        proposed, leaves = np.zeros(index.size, dtype=np.int64), np.zeros(index.size, dtype=bool)
        for name in sorted(set(names[index])):
            these = np.flatnonzero(names[index] == name)
            chosen = model if name == "model" else rules.rule(name)
            proposed[these], leaves[these] = chosen(side.pick(these), index[these])
        return proposed, leaves

    return strategy


def play(scenario, names, model):
    """What was said in each negotiation."""
    said = [[f"b{price}"] for price in rules.first_bid(
        scenario["opening"], scenario["ceiling"], scenario["asking"])]

    def watch(side, index, accepts, offers, wanted):
        for at, negotiation in enumerate(index):
            if accepts[at]:
                said[negotiation].append(f"a{side.role[0]}{side.heard[at]}")
            elif offers[at]:
                said[negotiation].append(f"{'b' if side.role == 'buyer' else 'c'}{wanted[at]}")
            else:
                said[negotiation].append(f"d{side.role[0]}")

    rules.negotiate(scenario, pairing(names["buyer"], model), pairing(names["seller"], model), watch)
    return said


def main():
    trained = sys.argv[1:] == ["--trained"]
    count = TRAINED if trained else NEGOTIATIONS
    rng = np.random.default_rng(SEED)
    scenario = rules.random_scenario(rng, count)
    known = np.array(["model", "model", "model", *rules.RULES])
    names = {role: known[rng.integers(0, known.size, count)] for role in ("buyer", "seller")}
    if trained:
        for place, role in enumerate(("buyer", "seller")):
            names[role][np.arange(count) % 3 != place] = "model"
        layers = evaluate.load(os.path.join(evaluate.HERE, "..", "market.safetensors"))
        model = evaluate.model(layers, scenario["delay"])
    else:
        model = scattered(scenario["delay"])
    said = play(scenario, names, model)
    columns = ("ceiling", "floor", "asking", "opening", "buyer_patience", "seller_patience", "delay")
    for at in range(count):
        fields = [*(repr(scenario[name][at].item()) for name in columns),
                  names["buyer"][at], names["seller"][at], *said[at]]
        sys.stdout.write(" ".join(fields) + "\n")


if __name__ == "__main__":
    main()
