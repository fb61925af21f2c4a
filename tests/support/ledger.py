"""Money that moves between the agents of two hosts, for tests that kill them: each teller pays the
others in small amounts, at once and by timers, and writes down what it paid and what it got. What
they write down tells exactly whether a message was lost, handled twice or handled by half.

Two lanes of each teller go on beside that, round after round, in handlers that are suspended nearly all
the time: they ask the others to take money, sleep, and hold the till in turn. Each of a round's steps
is written down with the one before it, so that what their books say tells whether a handler that was
suspended when its host died went on where it was, and not before or after that.

    trade = Ledger(check, durability="strict", binaries=(HAGGLE, HAGGLE))
    trade.begin()
    trade.look()      # while it goes on: what may never be, not even for a moment; and all goes on
    trade.settle()    # halts and waits until nothing is under way: then all of it is exact
"""

import time

from hosts import Control, Refused

INITIAL = 1000
TELLERS = ("anna", "bert")  # on each host
STEPS = 7  # of a round

TELLER = """
local haggle = require "haggle"
local INITIAL <const>, BOOK <const>, UNANSWERED_MAX <const>, STEPS <const> = 1000, 48, 150, 7
local LANES <const> = { "one", "two" }

local function amount(n) return n * 37 % 11 + 1 end

agent.on_start(function(reason)
  if reason ~= "created" then return end
  state.balance, state.reserved, state.planned, state.fired = INITIAL, 0, 0, 0
  state.paid, state.got, state.addresses, state.book = {}, {}, {}, {}
  state.entries, state.order, state.undelivered = 0, 0, 0
  state.loans, state.taken, state.lanes, state.steps = {}, {}, {}, 0
  for _, lane in ipairs(LANES) do state.lanes[lane] = { n = 0, step = STEPS, going = false } end
  state.wrong = {}
end)

local function wrong(what, got, after)
  state.wrong[#state.wrong + 1] = { what = what, got = got, after = after }
end

-- Longer than what a record of `state` holds, so that one entry touches several.
local function enter(what, sum)
  state.entries = state.entries + 1
  state.book[state.entries % BOOK + 1] =
    { entry = state.entries, what = what, sum = sum, balance = state.balance,
      note = ("x"):rep(state.entries % 90) }
end

local function torn()
  local count = 0
  for i = math.max(1, state.entries - BOOK + 1), state.entries do
    local entry = state.book[i % BOOK + 1]
    if not entry or entry.entry ~= i then count = count + 1 end
  end
  local last = state.book[state.entries % BOOK + 1]
  if last and last.balance ~= state.balance then count = count + 1 end
  return count
end

local function send(did)
  local paid = state.paid[did]
  local n = paid.n + 1
  paid.n, paid.sum = n, paid.sum + amount(n)
  agent.send(state.addresses[did], "ledger/1.0/move", { n = n, amount = amount(n) })
  return amount(n)
end

local function pay(did)
  local sum = amount(state.paid[did].n + 1)
  if state.balance < sum then return end
  state.balance = state.balance - sum
  send(did)
  enter("paid", sum)
end

-- Money is laid aside now and paid when the timer comes.
local function plan(did)
  local sum = 12
  if state.balance < sum or state.planned - state.fired > 100 then return end
  state.balance, state.reserved = state.balance - sum, state.reserved + sum
  state.planned = state.planned + 1
  agent.after("pay", math.random(1, 300), { did = did, sum = sum, n = state.planned },
    { key = tostring(state.planned) })
  enter("planned", sum)
end

agent.on_timer("pay", function(value)
  state.reserved, state.fired = state.reserved - value.sum, state.fired + 1
  state.balance = state.balance + value.sum - send(value.did)
  enter("fired", value.sum)
end)

agent.on("ledger/1.0/begin", function(message)
  for did, address in pairs(message.body.addresses) do
    state.addresses[did] = address
    if not state.paid[did] then
      state.paid[did] = { n = 0, sum = 0, answered = 0 }
      state.got[did] = { n = 0, sum = 0 }
      state.loans[did] = { n = 0, sum = 0, answered = 0 }
      state.taken[did] = { n = 0, sum = 0, done = 0, lanes = {} }
      for _, lane in ipairs(LANES) do state.taken[did].lanes[lane] = 0 end
    end
  end
  state.trading = message.body.trading
  for name, lane in pairs(state.lanes) do
    if state.trading and not lane.going then
      lane.going = true
      agent.after("round", math.random(1, 20), { lane = name, n = lane.n + 1 }, { key = name })
    end
  end
  message:reply("begun", {})
end)

agent.on("ledger/1.0/halt", function(message)
  state.trading = false
  message:reply("halted", {})
end)

agent.every("trade", "15ms", function()
  if not state.trading then return end
  for did, paid in pairs(state.paid) do
    if paid.n - paid.answered < UNANSWERED_MAX then
      for _ = 1, math.random(0, 3) do pay(did) end
      if math.random(4) == 1 then plan(did) end
    end
  end
end)

agent.on("ledger/1.0/move", function(message)
  local n, sum = message.body.n, message.body.amount
  local got = state.got[message.from]
  if n ~= got.n + 1 or sum ~= amount(n) then wrong("move", n, got.n) end
  got.n, got.sum = n, got.sum + sum
  state.balance = state.balance + sum
  enter("got", sum)
  message:reply("taken", { n = n })
end)

agent.on("ledger/1.0/taken", function(message)
  local paid = state.paid[message.from]
  if message.body.n ~= paid.answered + 1 then wrong("taken", message.body.n, paid.answered) end
  paid.answered = message.body.n
end)

-- Rounds: handlers that are suspended. `lane` is a view of the lane's row, the rest a handler's locals.

local function step(lane, n, number, stamp)
  if lane.n ~= n or lane.step ~= number - 1 then
    wrong("step", n .. "." .. number, lane.n .. "." .. lane.step)
  end
  if lane.stamp ~= stamp then wrong("stamp", stamp, lane.stamp) end
  lane.step, state.steps = number, state.steps + 1
end

-- The money is away when the question is asked, and belongs to the other when it is answered.
local function lend(did, lane, n, stamp)
  local loans = state.loans[did]
  local sum = state.balance >= 5 and 5 or 0
  state.balance, loans.n, loans.sum = state.balance - sum, loans.n + 1, loans.sum + sum
  enter("lent", sum)
  return { state.addresses[did], "ledger/1.0/lend", { lane = lane, n = n, sum = sum, stamp = stamp } }
end

local function lent(did, stamp, reply, code)
  if not reply or reply.body.stamp ~= stamp then wrong("lent", code or "another's", stamp) end
  state.loans[did].answered = state.loans[did].answered + 1
end

local function in_turn(name, lane, n, stamp)
  if state.holder then wrong("till", name, state.holder) end
  state.holder = name
  step(lane, n, 5, stamp)
  local entries = state.entries
  enter("till", 0)
  agent.sleep(math.random(1, 50))
  if state.holder ~= name then wrong("held", name, state.holder or "nobody") end
  if state.entries <= entries then wrong("entries", state.entries, entries) end
  state.holder = nil
  step(lane, n, 6, stamp)
end

agent.on_timer("round", function(round)
  local name, n, stamp, dids = round.lane, round.n, haggle.id(), {}
  local lane = state.lanes[name]
  for did in pairs(state.loans) do dids[#dids + 1] = did end
  if lane.n ~= n - 1 or lane.step ~= STEPS then wrong("round", n, lane.n .. "." .. lane.step) end
  lane.n, lane.step, lane.stamp, state.steps = n, 1, stamp, state.steps + 1
  agent.sleep(math.random(1, 50))

  step(lane, n, 2, stamp)
  local first = dids[n % #dids + 1]
  local question = lend(first, name, 2 * n - 1, stamp)
  local reply, _, code = agent.ask(question[1], question[2], question[3], { within = "10m" })
  lent(first, stamp, reply, code)

  step(lane, n, 3, stamp)
  local questions = {}
  for i, did in ipairs(dids) do questions[i] = lend(did, name, 2 * n, stamp) end
  for i, result in ipairs(agent.ask_all(questions, { within = "10m" })) do
    lent(dids[i], stamp, result.message, result.code)
  end

  step(lane, n, 4, stamp)
  agent.exclusive("till", function() in_turn(name, lane, n, stamp) end)

  step(lane, n, 7, stamp)
  lane.going = state.trading
  if lane.going then agent.continue("round", { lane = name, n = n + 1 }) end
end)

agent.on("ledger/1.0/lend", function(message)
  local body, taken = message.body, state.taken[message.from]
  if body.n <= taken.lanes[body.lane] then wrong("lend", body.n, taken.lanes[body.lane]) end
  taken.lanes[body.lane], taken.n, taken.sum = body.n, taken.n + 1, taken.sum + body.sum
  state.balance = state.balance + body.sum
  enter("taken", body.sum)
  agent.sleep(math.random(0, 50))
  if taken.lanes[body.lane] ~= body.n then wrong("taking", body.n, taken.lanes[body.lane]) end
  taken.done = taken.done + 1
  message:reply("lent", { stamp = body.stamp })
end)

-- What the operator orders is done once it is answered.
agent.on("ledger/1.0/order", function(message)
  if message.body.n <= state.order then wrong("order", message.body.n, state.order) end
  state.order = message.body.n
  enter("order", 0)
  message:reply("done", { n = message.body.n })
end)

agent.on_undelivered(function(message, why, code)
  state.undelivered = state.undelivered + 1
  log.error("undelivered", { why = why, code = code, type = message.type })
end)

agent.on("ledger/1.0/report", function(message)
  local paid, got, loans, taken, lanes = {}, {}, {}, {}, {}
  for did, row in pairs(state.paid) do
    paid[did] = { n = row.n, sum = row.sum, answered = row.answered }
  end
  for did, row in pairs(state.got) do got[did] = { n = row.n, sum = row.sum } end
  for did, row in pairs(state.loans) do
    loans[did] = { n = row.n, sum = row.sum, answered = row.answered }
  end
  for did, row in pairs(state.taken) do taken[did] = { n = row.n, sum = row.sum, done = row.done } end
  for name, row in pairs(state.lanes) do
    lanes[name] = { n = row.n, step = row.step, going = row.going }
  end
  message:reply("reported", { balance = state.balance, reserved = state.reserved, paid = paid,
    got = got, planned = state.planned, fired = state.fired, order = state.order, torn = torn(),
    wrong = #state.wrong, first_wrong = state.wrong[1], undelivered = state.undelivered,
    entries = state.entries, loans = loans, taken = taken, lanes = lanes, steps = state.steps })
end)
"""


def sum_of(n):
    """Of the first n payments: amounts go round in circles of eleven, which sum up to 66."""
    return n // 11 * 66 + sum(i * 37 % 11 + 1 for i in range(1, n % 11 + 1))


class Ledger:
    """Two hosts, "left" and "right", with tellers on each, which give up their Lua states whenever they
    have nothing to do."""

    def __init__(self, check, durability, binaries, prefix="", datas=(None, None)):
        self.check = check
        self.seen = {}    # (side, teller) -> the last report
        self.ordered = {}  # (side, teller) -> the last order, and the last one that was answered
        scripts = [check.script(f"{name}.lua", TELLER) for name in TELLERS]
        drowsy = check.script("drowsy.lua", "return { hibernate = { after = '1ms' } }\n")
        options = ["--durability", durability, "--config", drowsy]
        self.right = check.host(prefix + "right", scripts, options=options, binary=binaries[1],
                                data=datas[1])
        self.left = check.host(prefix + "left", scripts, options=options, binary=binaries[0],
                               join=self.right.url, data=datas[0])
        self.sides = {"left": self.left, "right": self.right}
        self.right.join = [self.left.url]

    def tellers(self):
        return [(side, name) for side in self.sides for name in TELLERS]

    def begin(self):
        dids = {(side, name): self.sides[side].agents[name] for side, name in self.tellers()}
        for trading in (False, True):  # nobody is paid by one that it does not know yet
            for side, name in self.tellers():
                addresses = {did: did if other[0] == side else f"{did}@{self.sides[other[0]].did}"
                             for other, did in dids.items() if other != (side, name)}
                self.sides[side].ask(name, "ledger/1.0/begin",
                                     {"addresses": addresses, "trading": trading})

    def order(self, side, control):
        """Gives every teller of a side its next order, without waiting."""
        for name in TELLERS:
            last, done = self.ordered.get((side, name), (0, 0))
            self.ordered[side, name] = last + 1, done
            control.send(call="ask", to=name, type="ledger/1.0/order", body={"n": last + 1},
                         within_ms=20000, id=name)

    def orders_done(self, side, control):
        """Takes in what was answered until the host hung up."""
        while True:
            try:
                answer = control.next()
            except (OSError, ValueError):
                return
            if answer["ok"]:
                last, done = self.ordered[side, answer["id"]]
                self.ordered[side, answer["id"]] = last, max(done, answer["result"]["body"]["n"])

    # Checks ------------------------------------------------------------------------------------

    def ask_all(self, type, sides=("left", "right")):
        """The bodies of all tellers' answers: (side, teller) -> body."""
        controls, bodies = {side: Control(self.sides[side].data) for side in sides}, {}
        try:
            for side, control in controls.items():
                for name in TELLERS:
                    control.send(call="ask", to=name, type=type, within_ms=20000, id=name)
            for side, control in controls.items():
                for _ in TELLERS:
                    answer = control.next()
                    if not answer["ok"]:
                        raise Refused(answer["error"])
                    bodies[side, answer["id"]] = answer["result"]["body"]
        finally:
            for control in controls.values():
                control.close()
        return bodies

    def reports(self):
        return self.ask_all("ledger/1.0/report")

    def look_at(self, who, now):
        """One teller's books in themselves, and compared with what they were."""
        side, name = who
        what = f"{side} {name}"
        check, before = self.check, self.seen.get(who)
        self.seen[who] = now
        paid, got = now["paid"].values(), now["got"].values()
        loans, taken = now["loans"].values(), now["taken"].values()
        good = [
            check.that(now["wrong"] == 0, f"{what}: each message and each step once and in order", now),
            check.that(now["torn"] == 0, f"{what}: nothing by half", now),
            check.that(now["undelivered"] == 0, f"{what}: nothing undelivered", now),
            check.that(all(row["sum"] == sum_of(row["n"]) for row in [*paid, *got]),
                       f"{what}: sums are those of the numbers", now),
            check.that(now["balance"] + now["reserved"] ==
                       INITIAL + sum(row["sum"] for row in [*got, *taken]) -
                       sum(row["sum"] for row in [*paid, *loans]),
                       f"{what}: the balance is what the books say", now),
            check.that(now["reserved"] == 12 * (now["planned"] - now["fired"]),
                       f"{what}: a timer for all that is laid aside", now),
            check.that(now["steps"] == sum(STEPS * (lane["n"] - 1) + lane["step"]
                                           for lane in now["lanes"].values()),
                       f"{what}: suspended handlers did each of their steps once", now),
            check.that(now["order"] >= self.ordered.get(who, (0, 0))[1],
                       f"{what}: every order that was answered is done",
                       (now, self.ordered.get(who))),
        ]
        if before:
            good.append(check.that(
                all(now[key] >= before[key]
                    for key in ("planned", "fired", "order", "entries", "steps")) and
                all(now[book][did][key] >= value for book in ("paid", "got", "loans", "taken")
                    for did, row in before[book].items() for key, value in row.items()) and
                all((now["lanes"][name]["n"], now["lanes"][name]["step"]) >= (row["n"], row["step"])
                    for name, row in before["lanes"].items()),
                f"{what}: nothing that was told is taken back", (before, now)))
        return all(good)

    def all_go_on(self, before, seconds=20):
        """Every handler that was suspended in these reports comes to its next step."""
        def standing(reports):
            return {(*who, name): (row["n"], row["step"]) for who, report in reports.items()
                    for name, row in report["lanes"].items() if row["going"]}

        stand, until = standing(before), time.monotonic() + seconds
        while stand and time.monotonic() < until:
            now = standing(self.reports())
            stand = {who: at for who, at in stand.items() if now.get(who) == at}
            if stand:
                time.sleep(0.02)
        return self.check.that(not stand, "every suspended handler goes on",
                               (stand, self.suspended()))

    def suspended(self):
        return {side: host.call("runs.list") for side, host in self.sides.items()}

    def look(self):
        """All tellers, while they trade. True: nothing wrong."""
        # Asked in this order: who got, who paid and was answered, who got.
        first, then, last = self.reports(), self.reports(), self.reports()
        good = [self.look_at(who, first[who]) for who in self.tellers()]
        dids = {who: self.sides[who[0]].agents[who[1]] for who in self.tellers()}
        for who, payer in [(a, b) for a in dids for b in dids if a != b]:
            paid = then[payer]["paid"][dids[who]]
            got = first[who]["got"][dids[payer]]["n"], last[who]["got"][dids[payer]]["n"]
            good.append(self.check.that(
                got[0] <= paid["n"] and paid["answered"] <= got[1],
                f"{payer} → {who}: no more is got than was paid, or answered than was got",
                (paid, got)))
            asked = then[payer]["loans"][dids[who]]
            taken = first[who]["taken"][dids[payer]], last[who]["taken"][dids[payer]]
            good.append(self.check.that(
                taken[0]["n"] <= asked["n"] and asked["answered"] <= taken[1]["done"],
                f"{payer} → {who}: no more is taken than was asked, or answered than was done",
                (asked, taken)))
        for side, runs in self.suspended().items():
            good.append(self.check.that(all(run["status"] == "waiting" for run in runs),
                                        f"{side}: no suspended handler fails", runs))
        return all(good) and self.all_go_on(last)

    def unsettled(self, reports):
        """What is still under way, or None."""
        dids = {self.sides[side].agents[name]: (side, name) for side, name in self.tellers()}
        for (side, name), report in reports.items():
            if report["planned"] != report["fired"]:
                return f"{side} {name} has {report['planned'] - report['fired']} timers"
            if any(lane["going"] for lane in report["lanes"].values()):
                return f"{side} {name} has handlers that are suspended: {report['lanes']}"
            for did, paid in report["paid"].items():
                got = reports[dids[did]]["got"][self.sides[side].agents[name]]
                if not paid["n"] == paid["answered"] == got["n"]:
                    return f"{side} {name} → {dids[did]}: {paid} of which {got}"
            for did, loans in report["loans"].items():
                taken = reports[dids[did]]["taken"][self.sides[side].agents[name]]
                if not loans["n"] == loans["answered"] == taken["n"] == taken["done"]:
                    return f"{side} {name} → {dids[did]}: asked {loans}, of which {taken}"
        return None

    def settle(self, seconds=60):
        """Halts the trade, waits until nothing is under way and counts the money."""
        deadline, under_way = time.monotonic() + seconds, "not asked yet"
        while under_way:
            try:
                self.ask_all("ledger/1.0/halt")
                reports = self.reports()
                under_way = self.unsettled(reports)
            except (OSError, Refused) as error:
                under_way = error
            if under_way and time.monotonic() > deadline:
                break
            if under_way:
                time.sleep(0.05)
        check = self.check
        if not check.that(not under_way, "everything arrives and is answered", under_way):
            for host in self.sides.values():
                print(f"--- {host.name}:\n{host.said()[-3000:]}", flush=True)
            return False
        whole = sum(report["balance"] for report in reports.values())
        good = [check.that(whole == INITIAL * len(reports), "the money is all there", reports)]
        good += [self.look_at(who, report) for who, report in reports.items()]
        good += [check.that(runs == [], f"{side}: all that was suspended has ended", runs)
                 for side, runs in self.suspended().items()]
        good += [check.that(host.call("dead.list") == [], f"{host.name} has no dead letters")
                 for host in self.sides.values()]
        return all(good)

    def steps(self):
        return sum(report["steps"] for report in self.seen.values())

    def woken(self):
        """How often tellers that slept were woken, since their hosts started."""
        return sum(host.call("describe")["woken"] for host in self.sides.values())

    def moved(self):
        return sum(row["n"] for report in self.seen.values() for row in report["paid"].values())
