"""Shows what the policy of market.safetensors makes, beside the rules, over seeded negotiations.

    python evaluate.py [--negotiations 4000] [--seed 2026] [--model ../market.safetensors]

Every strategy plays each role against every rule of the other role, and all of them meet the same
negotiations, drawn as for training but from another seed. Counted are those in which there is a
price that both can agree to:

    agreed   how many end in a deal
    won      the part of what there was to win (ceiling - floor) that went to this side
    joint    what went to both, of all there was to win, larger negotiations counting for more
    net      won in parts of the ceiling (or of what was asked), less the cost of delay: what the
             policy was trained for
    offers   made by this side

± is half of the 95 % confidence interval, over negotiations. A gain is the difference in `won`,
negotiation by negotiation. The tables are those of the model card. Needs NumPy only.
"""

import argparse
import json
import os
import struct

import numpy as np

import rules

HERE = os.path.dirname(os.path.abspath(__file__))


def load(path):
    """Weights and biases, layer by layer, of a network that export.py has written."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            # In float64, so that the tables come out alike on every machine.
            tensors[name] = np.frombuffer(body[begin:end], "<f4").reshape(entry["shape"]).astype(float)
    return [(tensors[f"layers.{number}.weight"], tensors[f"layers.{number}.bias"])
            for number in range(len(tensors) // 2)]


def scores(layers, seen):
    for weight, bias in layers[:-1]:
        seen = np.maximum(seen @ weight.T + bias, 0)
    weight, bias = layers[-1]
    return seen @ weight.T + bias


def model(layers, delay):
    """The policy as a strategy of rules.negotiate."""

    def strategy(side, index):
        best = np.where(rules.permitted(side), scores(layers, rules.features(side, delay[index])),
                        -np.inf).argmax(-1)
        return rules.proposal(side, best), best == rules.QUIT

    return strategy


def measure(scenario, buyers, sellers, role):
    """Of each negotiation with room for a deal: a row for each measure."""
    outcome = rules.negotiate(scenario, buyers, sellers)
    room = (scenario["ceiling"] - scenario["floor"]).astype(float)
    agreed = outcome.status == rules.AGREED
    if role == "buyer":
        gain, unit, offers = scenario["ceiling"] - outcome.price, scenario["ceiling"], outcome.bids
    else:
        gain, unit, offers = outcome.price - scenario["floor"], scenario["asking"], outcome.counters
    unit, gain = np.maximum(1, unit), np.where(agreed, gain, 0)
    size, there = room / scenario["ceiling"], room > 0
    rows = {"agreed": agreed, "won": gain / np.where(there, room, 1),
            "joint": agreed * size / size[there].mean(),
            "net": gain / unit - scenario["delay"] * offers, "offers": offers}
    return {name: row[there].astype(float) for name, row in rows.items()}


def mean(values):
    return f"{values.mean():.3f} ±{1.96 * values.std(ddof=1) / np.sqrt(values.size):.3f}"


def show(role, scenario, layers):
    rivals, results = list(rules.RULES), {}
    for name in ["model", *rules.RULES]:
        mine = model(layers, scenario["delay"]) if name == "model" else rules.rule(name)
        results[name] = [measure(scenario, *((mine, rules.rule(rival)) if role == "buyer" else
                                             (rules.rule(rival), mine)), role) for rival in rivals]
    print(f"\nAs {role}, against all rules alike:\n")
    print("| | agreed | won | joint | net | offers |\n|---|---|---|---|---|---|")
    for name, against in results.items():
        both = {key: np.stack([part[key] for part in against]).mean(0) for key in against[0]}
        print(f"| {name} |", " | ".join(mean(both[key]) for key in ("agreed", "won", "joint", "net")),
              f"| {both['offers'].mean():.1f} |")
    print(f"\nAs {role}, `won` against each rule:\n")
    print("| | " + " | ".join(rivals) + " |\n" + "|---" * (len(rivals) + 1) + "|")
    for name, against in results.items():
        print(f"| {name} |", " | ".join(f"{part['won'].mean():.3f}" for part in against), "|")
    won = {name: np.stack([part["won"] for part in against]) for name, against in results.items()}
    best = max(rules.RULES, key=lambda name: won[name].mean())
    print(f"\nGain over `{best}`, the best rule: {mean((won['model'] - won[best]).mean(0))}.")
    for number, rival in enumerate(rivals):
        better = max(rules.RULES, key=lambda name: won[name][number].mean())
        gain = won["model"][number] - won[better][number]
        print(f"- against `{rival}`, over `{better}`, the best rule there: {mean(gain)}")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--negotiations", type=int, default=4000)
    options.add_argument("--seed", type=int, default=2026)
    options.add_argument("--model", default=os.path.join(HERE, "..", "market.safetensors"))
    options = options.parse_args()
    layers = load(options.model)
    scenario = rules.random_scenario(np.random.default_rng(options.seed), options.negotiations)
    count = int((scenario["ceiling"] > scenario["floor"]).sum())
    print(f"{options.negotiations} negotiations, {count} with a price that both can agree to; "
          f"seed {options.seed}.")
    for role in ("buyer", "seller"):
        show(role, scenario, layers)
    both = model(layers, scenario["delay"])
    buying, selling = (measure(scenario, both, both, role) for role in ("buyer", "seller"))
    print(f"\nModel against model: agreed {mean(buying['agreed'])}, joint {mean(buying['joint'])}, "
          f"won by the buyer {mean(buying['won'])}, by the seller {mean(selling['won'])}.")


if __name__ == "__main__":
    main()
