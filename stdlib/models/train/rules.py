"""The market's rules for prices, as haggle.market has them, for many negotiations at once.

Each array has one element for each negotiation; prices are int64. A side is the state of one role:

    role    "buyer" or "seller"
    limit   ceiling or floor
    steps   offers that it may make after its first price
    left    those that remain
    first, before, own              its first price, the one before its last, its last
    heard_first, heard_before, heard    the same of the other's prices

What a strategy proposes goes through `next_price`, `good_enough` and `consider`, named after the
functions of stdlib/haggle/market.lua that they repeat; the strategies are those of
stdlib/haggle/market/strategies.lua, and `features` and `ACTIONS` those of market/model.lua.
stdlib/models/train/replay_spec.lua compares all of it with the real agents, step by step.
"""

import numpy as np

OPEN, AGREED, DECLINED = 0, 1, 2

QUIT, ACCEPT = 0, 1
# What the model chooses from: to leave, to accept, or to go so much of the way.
FRACTIONS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0)
ACTIONS = 2 + len(FRACTIONS)
FEATURES = 18


class Side:
    """One role in many negotiations."""

    def __init__(self, role, first, limit, steps, heard):
        self.role = role
        self.limit, self.steps, self.left = limit, steps, steps.copy()
        self.first, self.before, self.own = first, first.copy(), first.copy()
        self.heard_first, self.heard_before, self.heard = heard, heard.copy(), heard.copy()

    def pick(self, index):
        """The same side in some of the negotiations."""
        part = object.__new__(Side)
        for name, value in vars(self).items():
            part.__dict__[name] = value if name == "role" else value[index]
        return part

    def hear(self, index, price):
        self.heard_before[index] = self.heard[index]
        self.heard[index] = price[index]

    def offer(self, index, price):
        self.before[index] = self.own[index]
        self.own[index] = price[index]
        self.left[index] -= 1


# Strategies: what each proposes next. Where no offer is left they are not asked.


def split(side):
    """Equal steps towards the other's price; the last in full."""
    left = np.maximum(side.left, 1)
    if side.role == "seller":
        target = np.minimum(side.own, np.maximum(side.limit, side.heard))
        return side.own - (side.own - target + left - 1) // left
    target = np.maximum(side.own, np.minimum(side.limit, side.heard))
    return side.own + (target - side.own + left - 1) // left


def _spent(side):
    return (side.steps - side.left + 1) / np.maximum(side.steps, 1)


def _towards_limit(side, part):
    """The first price, moved by this part of the way to the limit; rounded to the side's favour."""
    if side.role == "seller":
        return side.first - np.floor((side.first - side.limit) * part).astype(np.int64)
    return side.first + np.floor((side.limit - side.first) * part).astype(np.int64)


def boulware(side):
    t = _spent(side)
    return _towards_limit(side, t * t * t * t)


def linear(side):
    return _towards_limit(side, _spent(side))


def conceder(side):
    return _towards_limit(side, np.sqrt(np.sqrt(_spent(side))))


def time_dependent(exponent):
    """Any of the family between these, for training only."""
    return lambda side: _towards_limit(side, _spent(side) ** exponent)


def tit_for_tat(side):
    """Gives as much as the other gave last."""
    if side.role == "seller":
        return side.own - np.maximum(0, side.heard - side.heard_before)
    return side.own + np.maximum(0, side.heard_before - side.heard)


def firm(side):
    """Never moves before its last word."""
    return side.own.copy()


RULES = {"split": split, "boulware": boulware, "linear": linear, "conceder": conceder,
         "tit_for_tat": tit_for_tat, "firm": firm}


# The model's view


def features(side, delay):
    """What the model sees: float32, FEATURES columns. `delay`: what an offer costs, as a part of the
    unit, which is the ceiling of a buyer, the first price of a seller."""
    seller = side.role == "seller"
    unit = np.maximum(1, side.first if seller else side.limit)
    sign = 1 if seller else -1

    def worth(price):  # of a deal at this price
        return sign * (price - side.limit) / unit

    gap = np.maximum(1, sign * (side.first - side.heard_first))
    given, got = sign * (side.first - side.own), sign * (side.heard - side.heard_first)
    columns = (
        np.full(unit.shape, 1.0 if seller else 0.0),
        worth(side.own), worth(side.heard), worth(side.first), worth(side.heard_first),
        sign * (side.own - side.heard) / unit,
        sign * (side.before - side.own) / unit, sign * (side.heard - side.heard_before) / unit,
        given / gap, got / gap,
        (side.left / 8), 1 / np.maximum(side.left, 1), (side.steps - side.left) / 8,
        (side.steps - side.left + 1) / np.maximum(side.steps, 1),
        np.where(worth(side.heard) >= 0, 1.0, 0.0), 1 / unit,
        np.where(side.left == side.steps, 1.0, 0.0), 10 * delay,
    )
    return np.clip(np.stack(columns, axis=-1), -2, 2).astype(np.float32)


def permitted(side):
    """Which actions make a difference: accepting what is beyond the limit does not."""
    mask = np.ones((side.own.size, ACTIONS), dtype=bool)
    mask[:, ACCEPT] = good_enough(side.role, side.heard, side.limit)
    return mask


def proposal(side, action):
    """The price that an action stands for; QUIT has none."""
    part = np.asarray((0.0, 1.0) + FRACTIONS)[action]
    if side.role == "seller":
        target = np.minimum(side.own, np.maximum(side.limit, side.heard))
        price = side.own - np.floor((side.own - target) * part + 0.5).astype(np.int64)
    else:
        target = np.maximum(side.own, np.minimum(side.limit, side.heard))
        price = side.own + np.floor((target - side.own) * part + 0.5).astype(np.int64)
    return np.where(action == ACCEPT, side.heard, price)


# The rules


def first_bid(opening, ceiling, asking):
    """As `start` in market.lua; an opening of -1 is none."""
    first = np.where(opening >= 0, opening, np.maximum(1, ceiling // 2))
    return np.minimum(np.minimum(first, ceiling), asking)


def next_price(side, proposed):
    if side.role == "seller":
        wanted = np.maximum(proposed, side.limit)
    else:
        wanted = np.maximum(0, np.minimum(proposed, side.limit))
    return np.where(side.left == 0, side.limit, wanted)


def good_enough(role, theirs, wanted):
    return theirs >= wanted if role == "seller" else theirs <= wanted


def consider(side, proposed, leaves):
    """What a side does about the other's price: (accepts, offers, declines, wanted)."""
    leaves = leaves & (side.left > 0)
    wanted = next_price(side, proposed)
    accepts = good_enough(side.role, side.heard, wanted) & ~leaves
    offers = ~accepts & ~leaves & (side.left > 0)
    return accepts, offers, ~accepts & ~offers, wanted


class Outcome:
    def __init__(self, count):
        self.status = np.zeros(count, dtype=np.int64)
        self.price = np.zeros(count, dtype=np.int64)
        self.bids = np.ones(count, dtype=np.int64)  # the first one counted
        self.counters = np.zeros(count, dtype=np.int64)


def negotiate(scenario, buyers, sellers, watch=None):
    """Plays all negotiations to their end. `buyers` and `sellers` are functions of (side, index),
    which give (proposed, leaves) for the negotiations of this index; `watch(side, index, accepts,
    offers, wanted)` is told each step."""
    count = scenario["ceiling"].size
    first = first_bid(scenario["opening"], scenario["ceiling"], scenario["asking"])
    buyer = Side("buyer", first, scenario["ceiling"], scenario["buyer_patience"] - 1,
                 scenario["asking"].copy())
    seller = Side("seller", scenario["asking"].copy(), scenario["floor"],
                  scenario["seller_patience"].copy(), first.copy())
    outcome = Outcome(count)
    sides = ((seller, sellers, buyer, outcome.counters), (buyer, buyers, seller, outcome.bids))
    turn = 0
    while True:
        index = np.flatnonzero(outcome.status == OPEN)
        if index.size == 0:
            return outcome
        side, strategy, other, made = sides[turn % 2]
        part = side.pick(index)
        accepts, offers, declines, wanted = consider(part, *strategy(part, index))
        if watch:
            watch(part, index, accepts, offers, wanted)
        outcome.status[index[accepts]] = AGREED
        outcome.price[index[accepts]] = part.heard[accepts]
        outcome.status[index[declines]] = DECLINED
        moved = index[offers]
        prices = np.zeros(count, dtype=np.int64)
        prices[moved] = wanted[offers]
        side.offer(moved, prices)
        other.hear(moved, prices)
        made[moved] += 1
        turn += 1


def random_scenario(rng, count):
    """Reservation prices, first prices, patience and costs of delay as one may meet them. In about
    one of six there is no price that both can agree to."""
    ceiling = np.rint(np.exp(rng.uniform(np.log(4), np.log(10000), count))).astype(np.int64)
    floor = np.maximum(1, np.rint(ceiling * rng.uniform(0.3, 1.15, count))).astype(np.int64)
    asking = np.rint(floor * rng.uniform(1.0, 2.2, count)).astype(np.int64)
    opening = np.maximum(1, np.rint(ceiling * rng.uniform(0.2, 0.7, count))).astype(np.int64)
    opening[rng.random(count) < 0.5] = -1
    delay = np.where(rng.random(count) < 0.5, 0.0, rng.uniform(0, 0.03, count))
    return {
        "ceiling": ceiling, "floor": floor, "asking": asking, "opening": opening, "delay": delay,
        "buyer_patience": rng.integers(2, 11, count), "seller_patience": rng.integers(2, 11, count),
    }


def rule(name):
    strategy = RULES[name]
    return lambda side, index: (strategy(side), np.zeros(index.size, dtype=bool))
