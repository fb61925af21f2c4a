"""Trains the negotiation policy by self-play in the market's own rules, and writes it.

    python train.py [--seed 7] [--rounds 300] [--out ..]

One network plays both roles. In each round it negotiates with the rules of haggle.market, with
time-dependent strategies of any exponent, with earlier selves and with itself, and is improved by
PPO on what its deals were worth, less its cost of delay. The same seed gives the same file on the
same machine.
"""

import argparse
import os
import time

import numpy as np
import torch
from torch import nn

import export
import rules

HERE = os.path.dirname(os.path.abspath(__file__))
NEGOTIATIONS = 16000  # in a round
HIDDEN = 64
SNAPSHOT_EVERY, SNAPSHOTS = 20, 12
CURVE_EVERY, CURVE_NEGOTIATIONS = 10, 6000
EPOCHS, MINIBATCH, CLIP = 4, 4096, 0.2


def network(outputs):
    return nn.Sequential(nn.Linear(rules.FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN),
                         nn.ReLU(), nn.Linear(HIDDEN, outputs))


def masked_logits(actor, seen, mask):
    return actor(torch.from_numpy(seen)).masked_fill(~torch.from_numpy(mask), -1e9)


def act(actor, side, delay, rng=None):
    """The actions for these sides: drawn by `rng`, or the best ones. With what was seen."""
    seen, mask = rules.features(side, delay), rules.permitted(side)
    with torch.no_grad():
        log = torch.log_softmax(masked_logits(actor, seen, mask), -1).numpy()
    if rng is None:
        return log.argmax(-1), seen, mask, log
    noise = -np.log(-np.log(rng.uniform(1e-12, 1, log.shape)))
    return (log + noise).argmax(-1), seen, mask, log


def model(actor, delay):
    """The trained policy as a strategy: the best action, as agents choose it."""

    def strategy(side, index):
        action = act(actor, side, delay[index])[0]
        return rules.proposal(side, action), action == rules.QUIT

    return strategy


def worth(scenario, outcome, role):
    """Of each negotiation to one role, in its unit, before the cost of delay."""
    if role == "seller":
        gain = (outcome.price - scenario["floor"]) / np.maximum(1, scenario["asking"])
    else:
        gain = (scenario["ceiling"] - outcome.price) / np.maximum(1, scenario["ceiling"])
    return np.where(outcome.status == rules.AGREED, gain, 0.0)


class Memory:
    """What the learner saw and did in one role."""

    def __init__(self):
        self.parts = []

    def add(self, index, made, seen, mask, action, log):
        self.parts.append((index, made, seen, mask, action,
                           log[np.arange(action.size), action].astype(np.float32)))

    def collect(self, gain, delay, made_in_all):
        index, made, seen, mask, action, log = (np.concatenate(x) for x in zip(*self.parts))
        to_come = (made_in_all[index] - made) * delay[index]
        return seen, mask, action, log, (gain[index] - to_come).astype(np.float32)


def crowd(rng, count, actor, earlier):
    """Who plays one role: (kinds, strategy of each kind). Kind 0 is the learner itself."""
    exponents = np.exp(rng.uniform(np.log(0.15), np.log(8), 4))
    players = [rules.RULES[name] for name in rules.RULES]
    players += [rules.time_dependent(exponent) for exponent in exponents]
    chosen = [earlier[i] for i in rng.integers(0, len(earlier), min(2, len(earlier)))] or [actor]
    kinds = rng.integers(1, 1 + len(players) + 2 * len(chosen), count)
    return kinds, players, chosen


def play(rng, scenario, actor, earlier):
    """One round: half of the negotiations with the learner as buyer, half as seller, and a part of
    both with it on either side."""
    count = scenario["ceiling"].size
    memories = {"buyer": Memory(), "seller": Memory()}
    learner = {"buyer": np.arange(count) < count // 2}
    learner["seller"] = ~learner["buyer"]
    both = rng.random(count) < 0.15
    strategies = {}
    for role in ("buyer", "seller"):
        kinds, players, chosen = crowd(rng, count, actor, earlier)
        kinds[learner[role] | both] = 0

        def strategy(side, index, role=role, kinds=kinds, players=players, chosen=chosen):
            proposed = np.zeros(index.size, dtype=np.int64)
            leaves = np.zeros(index.size, dtype=bool)
            kind = kinds[index]
            for number in np.unique(kind):
                these = np.flatnonzero(kind == number)
                part = side.pick(these)
                if 1 <= number <= len(players):
                    proposed[these] = players[number - 1](part)
                    continue
                who = actor if number == 0 else chosen[(number - len(players) - 1) % len(chosen)]
                delay = scenario["delay"][index[these]]
                action, seen, mask, log = act(who, part, delay, rng)
                proposed[these] = rules.proposal(part, action)
                leaves[these] = action == rules.QUIT
                if number == 0:
                    asked = part.left > 0  # at its last word nobody asks it
                    memories[role].add(
                        index[these][asked], (part.steps - part.left)[asked], seen[asked],
                        mask[asked], action[asked], log[asked])
            return proposed, leaves

        strategies[role] = strategy
    outcome = rules.negotiate(scenario, strategies["buyer"], strategies["seller"])
    offers = {"buyer": outcome.bids - 1, "seller": outcome.counters}
    parts = [memories[role].collect(worth(scenario, outcome, role), scenario["delay"], offers[role])
             for role in ("buyer", "seller")]
    return [np.concatenate(x) for x in zip(*parts)]


def improve(actor, critic, optimizer, batch, entropy, generator):
    seen, mask, action, old, gain = (torch.from_numpy(x) for x in batch)
    with torch.no_grad():
        value = critic(seen).squeeze(-1)
    advantage = gain - value
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
    for _ in range(EPOCHS):
        for at in torch.randperm(len(seen), generator=generator).split(MINIBATCH):
            log = torch.log_softmax(actor(seen[at]).masked_fill(~mask[at], -1e9), -1)
            ratio = (log.gather(1, action[at, None]).squeeze(1) - old[at]).exp()
            better = torch.minimum(ratio * advantage[at],
                                   ratio.clamp(1 - CLIP, 1 + CLIP) * advantage[at])
            spread = -(log.exp() * log.clamp(min=-50)).sum(-1)
            error = (critic(seen[at]).squeeze(-1) - gain[at]).square()
            loss = -better.mean() - entropy * spread.mean() + 2 * error.mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(
                [p for group in optimizer.param_groups for p in group["params"]], 1.0)
            optimizer.step()


def standing(actor, scenario):
    """Against equal parts of the rules: what the policy makes in each role, per negotiation."""
    rivals = list(rules.RULES)
    totals = {"buyer": 0.0, "seller": 0.0}
    for number, name in enumerate(rivals):
        index = np.arange(scenario["ceiling"].size) % len(rivals) == number
        part = {key: value[index] for key, value in scenario.items()}
        mine = model(actor, part["delay"])
        for role, sides in (("buyer", (mine, rules.rule(name))),
                            ("seller", (rules.rule(name), mine))):
            totals[role] += worth(part, rules.negotiate(part, *sides), role).sum()
    return {role: total / scenario["ceiling"].size for role, total in totals.items()}


def train(seed, rounds, report):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    actor, critic = network(rules.ACTIONS), network(1)
    optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=1e-3)
    watched = rules.random_scenario(np.random.default_rng(seed + 1), CURVE_NEGOTIATIONS)
    earlier, curve = [], []
    for number in range(rounds + 1):
        if number % CURVE_EVERY == 0:
            curve.append((number, *standing(actor, watched).values()))
            report(curve[-1])
        if number % SNAPSHOT_EVERY == 0 and number > 0:
            copy = network(rules.ACTIONS)
            copy.load_state_dict(actor.state_dict())
            earlier = [*earlier, copy][-SNAPSHOTS:]
        left = 1 - number / rounds
        for group in optimizer.param_groups:
            group["lr"] = 1e-4 + 1.4e-3 * left
        batch = play(rng, rules.random_scenario(rng, NEGOTIATIONS), actor, earlier)
        improve(actor, critic, optimizer, batch, 0.0005 + 0.03 * left * left, generator)
    return actor, curve


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--rounds", type=int, default=300)
    options.add_argument("--out", default=os.path.join(HERE, ".."))
    options = options.parse_args()
    started = time.monotonic()
    actor, curve = train(options.seed, options.rounds, lambda at: print(
        f"round {at[0]:4}  as buyer {at[1]:.4f}  as seller {at[2]:.4f}"
        f"  {time.monotonic() - started:.0f} s", flush=True))
    layers = [(layer.weight.detach().numpy(), layer.bias.detach().numpy())
              for layer in actor if isinstance(layer, nn.Linear)]
    export.write(layers, curve, options.out,
                 {"seed": str(options.seed), "rounds": str(options.rounds)})


if __name__ == "__main__":
    main()
