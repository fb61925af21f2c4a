"""Money that moves between the agents of two hosts, for tests that kill them: each teller pays the
others in small amounts, at once and by timers, and writes down what it paid and what it got. What
they write down tells exactly whether a message was lost, handled twice or handled by half.

    trade = Ledger(check, durability="strict", binaries=(HAGGLE, HAGGLE))
    trade.begin()
    trade.look()      # while it goes on: what may never be, not even for a moment
    trade.settle()    # halts and waits until nothing is under way: then all of it is exact
"""

import time

from hosts import Control, Refused

INITIAL = 1000
TELLERS = ("anna", "bert")  # on each host

TELLER = """
local INITIAL <const>, BOOK <const>, UNANSWERED_MAX <const> = 1000, 48, 150

local function amount(n) return n * 37 % 11 + 1 end

agent.on_start(function(reason)
  if reason ~= "created" then return end
  state.balance, state.reserved, state.planned, state.fired = INITIAL, 0, 0, 0
  state.paid, state.got, state.addresses, state.book = {}, {}, {}, {}
  state.entries, state.order, state.undelivered = 0, 0, 0
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
    end
  end
  state.trading = message.body.trading
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
  local paid, got = {}, {}
  for did, row in pairs(state.paid) do
    paid[did] = { n = row.n, sum = row.sum, answered = row.answered }
  end
  for did, row in pairs(state.got) do got[did] = { n = row.n, sum = row.sum } end
  message:reply("reported", { balance = state.balance, reserved = state.reserved, paid = paid,
    got = got, planned = state.planned, fired = state.fired, order = state.order, torn = torn(),
    wrong = #state.wrong, first_wrong = state.wrong[1], undelivered = state.undelivered,
    entries = state.entries })
end)
"""


def sum_of(n):
    """Of the first n payments: amounts go round in circles of eleven, which sum up to 66."""
    return n // 11 * 66 + sum(i * 37 % 11 + 1 for i in range(1, n % 11 + 1))


class Ledger:
    """Two hosts, "left" and "right", with tellers on each."""

    def __init__(self, check, durability, binaries, prefix="", datas=(None, None)):
        self.check = check
        self.seen = {}    # (side, teller) -> the last report
        self.ordered = {}  # (side, teller) -> the last order, and the last one that was answered
        scripts = [check.script(f"{name}.lua", TELLER) for name in TELLERS]
        options = ["--durability", durability]
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
        good = [
            check.that(now["wrong"] == 0, f"{what}: each message once and in order", now),
            check.that(now["torn"] == 0, f"{what}: nothing by half", now),
            check.that(now["undelivered"] == 0, f"{what}: nothing undelivered", now),
            check.that(all(row["sum"] == sum_of(row["n"]) for row in [*paid, *got]),
                       f"{what}: sums are those of the numbers", now),
            check.that(now["balance"] + now["reserved"] ==
                       INITIAL + sum(row["sum"] for row in got) - sum(row["sum"] for row in paid),
                       f"{what}: the balance is what the books say", now),
            check.that(now["reserved"] == 12 * (now["planned"] - now["fired"]),
                       f"{what}: a timer for all that is laid aside", now),
            check.that(now["order"] >= self.ordered.get(who, (0, 0))[1],
                       f"{what}: every order that was answered is done",
                       (now, self.ordered.get(who))),
        ]
        if before:
            good.append(check.that(
                all(now[key] >= before[key] for key in ("planned", "fired", "order", "entries")) and
                all(now[book][did][key] >= value for book in ("paid", "got")
                    for did, row in before[book].items() for key, value in row.items()),
                f"{what}: nothing that was told is taken back", (before, now)))
        return all(good)

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
        return all(good)

    def unsettled(self, reports):
        """What is still under way, or None."""
        dids = {self.sides[side].agents[name]: (side, name) for side, name in self.tellers()}
        for (side, name), report in reports.items():
            if report["planned"] != report["fired"]:
                return f"{side} {name} has {report['planned'] - report['fired']} timers"
            for did, paid in report["paid"].items():
                got = reports[dids[did]]["got"][self.sides[side].agents[name]]
                if not paid["n"] == paid["answered"] == got["n"]:
                    return f"{side} {name} → {dids[did]}: {paid} of which {got}"
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
        good += [check.that(host.call("dead.list") == [], f"{host.name} has no dead letters")
                 for host in self.sides.values()]
        return all(good)

    def moved(self):
        return sum(row["n"] for report in self.seen.values() for row in report["paid"].values())
