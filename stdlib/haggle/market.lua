-- haggle.market: two agents agree on a price, sign the same terms, and deliver.
--
--   local market = require "haggle.market"
--   market.sell { service = "telemetry.load", asking = 5, floor = 3,
--     deliver = function() return { load = host.read "/proc/loadavg" } end }
--   market.buy { service = "telemetry.load", ceiling = 4, every = "2s",
--     on_result = function(deal, result) state.last = { deal.price, result.load } end }
--
-- One negotiation is one thread of "market/1.0":
--
--   bid → counter → bid → … → accept → confirm → deliver → received
--
-- Either side accepts the other's last price; the accept and its confirm both hold the whole terms,
-- so that the two messages prove the deal, and both sides keep the evidence of both. The id of the
-- deal is the thread's id. `decline` ends it instead; after the terms are agreed that is a breach.
--
-- Nothing here suspends, but for a `deliver` or a strategy that does: what is going on lives in
-- `state` and in timers, and goes on after a restart. Prices are integers in the smallest unit of
-- money.
local haggle = require "haggle"
local prices = require "haggle.market.prices"
local strategies = require "haggle.market.strategies"

local KEY = "haggle.market" -- in `state`, and the beginning of the names of its timers
local DEADLINE, DELIVER = KEY .. ".deadline", KEY .. ".deliver"
local TALKS_MAX = 400 -- negotiations of one agent at a time (each has two timers)
local BUYER_TALKS_MAX = 20 -- of them with one buyer
local SKEW_MAX = 120000 -- ms that the clocks of two hosts may differ by
local MESSAGES_MAX = 32 -- named in a deal's record
local PRICE_MAX = 1000000000000000

local market = { protocol = "market/1.0", strategies = strategies, split = strategies.split }

local sales, purchases = {}, {} -- service → what was given to sell and buy

-- The protocol -----------------------------------------------------------------------------------

local price = { type = "integer", min = 0, max = PRICE_MAX }
local service = { type = "string", min = 1, max = 200 }
local duration = { type = "integer", min = 1, max = 366 * 24 * 3600 * 1000 } -- ms
local text = { type = "string", max = 1000 }

-- What both sides sign, in `accept` and again in `confirm`.
local function terms_with(field, rule)
  local terms = {
    deal = "string", service = service, price = price, within = duration,
    buyer = "did", seller = "did",
  }
  if field then terms[field] = rule end
  return terms
end

market.definition = {
  name = "market", version = "1.0", roles = { "buyer", "seller" },
  messages = {
    bid = {
      from = "buyer", opening = true,
      body = { service = service, price = price, within = duration },
      replies = { "counter", "accept", "decline" },
    },
    counter = {
      from = "seller", body = { price = price }, replies = { "bid", "accept", "decline" },
    },
    -- Binds its sender until `confirm_by` (Unix time in ms, by the sender's clock).
    accept = { body = terms_with("confirm_by", "integer"), replies = { "confirm", "decline" } },
    confirm = {
      body = terms_with(), replies = { "deliver", "decline" }, follows = { "deliver", "decline" },
    },
    deliver = {
      from = "seller", body = { deal = "string", attempt = "integer", result = "map" },
      replies = { "received", "decline" }, follows = { "deliver", "decline" },
    },
    received = { from = "buyer", body = { deal = "string" } },
    decline = { body = { why = text, code = text } },
  },
}

-- Negotiations in `state` ------------------------------------------------------------------------

-- { open = how many, talks = { thread = talk }, buyers = { did = how many },
--   with = { "service did" = thread of a purchase }, avoid = { "service did" = until when } }
local function book()
  if not state[KEY] then
    state[KEY] = { open = 0, talks = {}, buyers = {}, with = {}, avoid = {} }
  end
  return state[KEY]
end

local function side_of(talk)
  if talk.role == "seller" then return sales[talk.service] end
  return purchases[talk.service]
end

local function partner(talk)
  return talk.service .. " " .. talk.peer
end

local function open(thread, talk)
  local all = book()
  all.open = all.open + 1
  all.talks[thread] = talk
  if talk.role == "buyer" then
    all.with[partner(talk)] = thread
  else
    all.buyers[talk.peer] = (all.buyers[talk.peer] or 0) + 1
  end
  return all.talks[thread]
end

local function close(thread, talk, failed)
  local all = book()
  agent.cancel(DEADLINE, thread)
  agent.cancel(DELIVER, thread)
  if talk.role == "buyer" then
    all.with[partner(talk)] = nil
    local purchase = failed and purchases[talk.service]
    if purchase then all.avoid[partner(talk)] = haggle.now() + purchase.pause end
  else
    local others = all.buyers[talk.peer] - 1
    all.buyers[talk.peer] = others > 0 and others or nil
  end
  all.open = all.open - 1
  all.talks[thread] = nil
end

-- What callbacks are given, and the deal record.
local function deal_of(talk)
  return {
    id = talk.deal, service = talk.service, price = talk.agreed, rounds = talk.rounds,
    role = talk.role, counterparty = talk.peer, within = talk.within,
  }
end

local function record(talk, status, why)
  local deal = deal_of(talk)
  local messages = haggle.array {}
  for _, id in ipairs(talk.messages) do messages[#messages + 1] = id end
  deal.status, deal.why, deal.messages = status, why, messages
  local _, problem, code = agent.deal(deal)
  if code then error("the deal cannot be recorded: " .. problem) end
  return deal
end

-- Keeps the evidence of a message of the deal, and names it in the record.
local function note(talk, id)
  local _, why, code = agent.keep(id)
  if code then log.warn("evidence cannot be kept", { message = id, why = why }) end
  if #talk.messages < MESSAGES_MAX then talk.messages[#talk.messages + 1] = id end
end

-- Answers from a timer or a handler; nil, why when the dialogue has been closed by the other side.
local function say(ref, performative, body)
  local ok, id, why = pcall(agent.reply, ref, performative, body)
  if ok then return id, why end
  return nil, id
end

local function decline(ref, why, code)
  return say(ref, "decline", { why = why, code = code })
end

local function release(talk, why)
  local side = side_of(talk)
  if talk.reserved and side and side.release then side.release(deal_of(talk), why) end
end

-- No deal: whatever was set aside for it is free again.
local function give_up(thread, talk, why)
  log.debug("no deal", { service = talk.service, peer = talk.peer, why = why })
  release(talk, why)
  close(thread, talk, true)
end

-- A deal that both have signed is not kept.
local function breach(thread, talk, why)
  local deal, side = record(talk, "breached", why), side_of(talk)
  log.warn("breach", { deal = talk.deal, service = talk.service, role = talk.role, why = why })
  if not talk.result then release(talk, why) end
  close(thread, talk, true)
  if side and side.on_breach then side.on_breach(deal, why) end
end

-- Accepting --------------------------------------------------------------------------------------

local TERMS = { "deal", "service", "price", "within", "buyer", "seller" }

local function same_terms(a, b)
  for _, field in ipairs(TERMS) do
    if a[field] ~= b[field] then return false, field end
  end
  return true
end

local function terms_of(talk, agreed)
  local selling = talk.role == "seller"
  return {
    deal = talk.deal, service = talk.service, price = agreed, within = talk.within,
    buyer = selling and talk.peer or agent.id, seller = selling and agent.id or talk.peer,
  }
end

-- What `reserve` says, before the signature and in one transaction with it.
local function reserve(message, thread, talk, agreed)
  talk.agreed = agreed
  local side = side_of(talk)
  local ok, why, code = true, nil, nil
  if side.reserve then ok, why, code = side.reserve(deal_of(talk)) end
  if ok then
    talk.reserved = true
    return true
  end
  why = why or "not available"
  decline(message, why, code or (talk.role == "seller" and "sold_out" or "withdrawn"))
  give_up(thread, talk, why)
  return false
end

local function accept(message, thread, talk, agreed)
  if not reserve(message, thread, talk, agreed) then return end
  local wait = side_of(talk).wait
  local body = terms_of(talk, agreed)
  body.confirm_by = haggle.now() + wait
  local id, why = say(message, "accept", body)
  if not id then return give_up(thread, talk, why) end
  note(talk, id)
  talk.stage = "accepted"
  -- A confirmation that was signed in time may take as long again to arrive.
  agent.after(DEADLINE, 2 * wait, thread)
end

local function agreed_now(message, thread, talk)
  talk.stage, talk.ref = "agreed", message:ref()
  record(talk, "agreed")
  agent.after(DEADLINE, talk.within, thread)
  if talk.role == "seller" then
    talk.attempt = 0
    agent.after(DELIVER, 0, thread)
  end
end

-- Haggling ---------------------------------------------------------------------------------------

local function offer(message, thread, talk, amount)
  local id, why
  if talk.role == "seller" then
    id, why = say(message, "counter", { price = amount })
  else
    id, why = say(message, "bid",
      { service = talk.service, price = amount, within = talk.within })
    talk.rounds = talk.rounds + 1
  end
  if not id then return give_up(thread, talk, why) end
  prices.offered(talk, amount)
  agent.after(DEADLINE, side_of(talk).wait, thread)
end

-- The negotiation that a message belongs to, if it is one of this side's that still goes on.
local function find(message, ...)
  local talk = book().talks[message.thread]
  if not talk then return nil end
  for _, stage in ipairs { ... } do
    if talk.stage == stage and side_of(talk) then return talk end
  end
  return nil
end

local function too_late(message)
  decline(message, "this negotiation is over", "late")
end

local function consider(message, thread, talk)
  local theirs, role = message.body.price, talk.role
  prices.hear(talk, theirs)
  local wanted, why = prices.next(talk, side_of(talk).concede)
  -- The strategy may have waited, and this side may have given up meanwhile.
  talk = find(message, "haggling")
  if not talk then return too_late(message) end
  if wanted and prices.good_enough(role, theirs, wanted) then
    return accept(message, thread, talk, theirs)
  end
  if wanted and talk.left > 0 then return offer(message, thread, talk, wanted) end
  why = why or "the prices do not meet"
  decline(message, why, "price")
  give_up(thread, talk, why)
end

-- Messages ---------------------------------------------------------------------------------------

local function open_sale(message)
  local sale, body = sales[message.body.service], message.body
  if not sale then return nil, "not sold here", "unknown" end
  local all = book()
  if all.open >= TALKS_MAX or (all.buyers[message.from] or 0) >= BUYER_TALKS_MAX then
    return nil, "too many negotiations", "busy"
  end
  if body.within < sale.within then
    return nil, "delivery takes " .. sale.within .. " ms", "within"
  end
  return open(message.thread, prices.open({
    role = "seller", stage = "haggling", service = body.service, peer = message.from,
    deal = message.thid, within = body.within, rounds = 0, messages = {},
  }, sale.asking, nil, sale.floor, sale.patience))
end

local function on_bid(message)
  local talk, why, code
  if message.id == message.thid then
    talk, why, code = open_sale(message)
    if not talk then return decline(message, why, code) end
    -- A strategy that waits may raise afterwards, when what stands in `state` is committed.
    agent.after(DEADLINE, side_of(talk).wait, message.thread)
  else
    talk = find(message, "haggling")
    if not talk then return too_late(message) end
    if message.body.service ~= talk.service or message.body.within ~= talk.within then
      decline(message, "service and time stay what the first bid says", "terms")
      return give_up(message.thread, talk, "the buyer changed the terms")
    end
  end
  talk.rounds = talk.rounds + 1
  consider(message, message.thread, talk)
end

local function on_counter(message)
  local talk = find(message, "haggling")
  if not talk then return too_late(message) end
  consider(message, message.thread, talk)
end

local function on_accept(message)
  local talk, body = find(message, "haggling"), message.body
  if not talk then return too_late(message) end
  if body.confirm_by + SKEW_MAX < haggle.now() then
    decline(message, "the acceptance has ended", "late")
    return give_up(message.thread, talk, "accepted too late")
  end
  local same, field = same_terms(body, terms_of(talk, talk.price))
  if not same then
    decline(message, "the terms differ: " .. field, "terms")
    return give_up(message.thread, talk, "the terms differ: " .. field)
  end
  if not reserve(message, message.thread, talk, talk.price) then return end
  note(talk, message.id)
  local id, why = say(message, "confirm", terms_of(talk, talk.agreed))
  if not id then return give_up(message.thread, talk, why) end
  note(talk, id)
  agreed_now(message, message.thread, talk)
end

local function on_confirm(message)
  local talk = find(message, "accepted")
  if not talk then return too_late(message) end
  local same, field = same_terms(message.body, terms_of(talk, talk.agreed))
  if not same then
    decline(message, "the terms differ: " .. field, "terms")
    return give_up(message.thread, talk, "the terms differ: " .. field)
  end
  note(talk, message.id)
  agreed_now(message, message.thread, talk)
end

local function on_deliver(message)
  local talk = find(message, "agreed")
  if not talk then return too_late(message) end
  local side = side_of(talk)
  note(talk, message.id)
  local id = say(message, "received", { deal = talk.deal })
  if id then note(talk, id) end
  local deal = record(talk, "delivered")
  close(message.thread, talk, false)
  if side.on_result then side.on_result(deal, message.body.result) end
end

local function on_received(message)
  local talk = find(message, "agreed")
  if not talk or not talk.result then return end
  local side = side_of(talk)
  note(talk, message.id)
  local deal = record(talk, "delivered")
  close(message.thread, talk, false)
  if side.on_delivered then side.on_delivered(deal) end
end

local function on_decline(message)
  local talk = book().talks[message.thread]
  if not talk then return end
  local why = message.body.why
  if talk.stage == "agreed" then
    breach(message.thread, talk, "the other side declined: " .. why)
  else
    give_up(message.thread, talk, why)
  end
end

-- Timers -----------------------------------------------------------------------------------------

local function on_deadline(thread)
  local talk = book().talks[thread]
  if not talk then return end
  if talk.stage ~= "agreed" then return give_up(thread, talk, "no answer in time") end
  if talk.role == "seller" and not talk.result then
    decline(talk.ref, "it cannot be delivered", "undelivered")
  end
  breach(thread, talk, talk.result and "not acknowledged in time" or "not delivered in time")
end

-- Makes the result once, and says it again until the buyer acknowledges it. `deliver` may wait: the
-- negotiation may be over by then.
local function on_deliver_due(thread)
  local talk = book().talks[thread]
  local sale = talk and sales[talk.service]
  if not sale then return end
  local why = "not acknowledged"
  if not talk.result and talk.attempt < sale.attempts then
    local result
    result, why = sale.deliver(deal_of(talk))
    talk = book().talks[thread]
    if not talk then return end
    why = why or "nothing to deliver"
    talk.result = result
    if not result then talk.failure = why end
  end
  if talk.attempt >= sale.attempts then
    why = talk.failure or why
    if not talk.result then decline(talk.ref, "it cannot be delivered: " .. why, "undelivered") end
    return breach(thread, talk, why)
  end
  talk.attempt = talk.attempt + 1
  if talk.result then
    talk.failure = nil
    local id = say(talk.ref, "deliver",
      { deal = talk.deal, attempt = talk.attempt, result = talk.result })
    if id then note(talk, id) end
  end
  agent.after(DELIVER, sale.retry, thread)
end

-- Declaring --------------------------------------------------------------------------------------

local function declare(options, known, defaults)
  for name in pairs(options) do
    if not known[name] then error("unknown option '" .. tostring(name) .. "'", 3) end
  end
  local side = {}
  for name, default in pairs(defaults) do side[name] = default end
  for name, value in pairs(options) do side[name] = value end
  for _, name in ipairs { "within", "wait", "retry", "pause" } do
    if side[name] then side[name] = haggle.duration(side[name]) end
  end
  if type(side.service) ~= "string" then error("'service' is missing", 3) end
  return side
end

local function assert_option(value, why)
  return value or error(why, 3)
end

local function check_price(side, name)
  if math.type(side[name]) ~= "integer" or side[name] < 0 or side[name] > PRICE_MAX then
    error("'" .. name .. "' is not a price: an integer in the smallest unit of money", 3)
  end
end

local function protocol_once()
  if next(sales) or next(purchases) then return end
  agent.protocol(market.definition)
  agent.on("market/1.0/accept", on_accept)
  agent.on("market/1.0/confirm", on_confirm)
  agent.on("market/1.0/decline", on_decline)
  agent.on_timer(DEADLINE, on_deadline)
end

local function flags(names)
  local known = {}
  for name in names:gmatch "%S+" do known[name] = true end
  return known
end

-- Sells a service; the offer is found by it, by its price and by `attributes`.
--
--   service, asking, floor   the first price and the lowest
--   deliver(deal) → table    makes the result, or nil, why: it is asked again; it may wait
--   reserve(deal) → true     or nil, why (sold out): in one transaction with the signature
--   release(deal, why)       the deal fell through: what was reserved is free again
--   on_delivered(deal), on_breach(deal, why)
--   attributes               more fields of the offer
--   patience = 5             counter-offers before the last word
--   strategy = "split"       a rule of market.strategies, or "model", or { model =, fallback =,
--                            within =, delay = } for it: see haggle.market.model
--   concede                  instead of it: position → next price, or nil, why: it leaves
--   within = "10s"           the least time for a delivery; a buyer who gives less is declined
--   wait = "30s"             how long the buyer may take to answer
--   attempts = 5, retry = "2s"   deliveries before it is a breach, and the time between them
function market.sell(options)
  local sale = declare(options, flags [[service asking floor deliver reserve release on_delivered
    on_breach attributes patience strategy concede within wait attempts retry]], {
    patience = 5, within = "10s", wait = "30s", attempts = 5, retry = "2s",
  })
  sale.concede = assert_option(prices.strategy(sale.concede, sale.strategy))
  check_price(sale, "asking")
  sale.floor = sale.floor or sale.asking
  check_price(sale, "floor")
  if sale.floor > sale.asking then error("'floor' is above 'asking'", 2) end
  if type(sale.deliver) ~= "function" then error("'deliver' is not a function", 2) end
  if sales[sale.service] then error("'" .. sale.service .. "' is sold already", 2) end
  local offered = { service = sale.service, protocol = market.protocol, price = sale.asking }
  for name, value in pairs(sale.attributes or {}) do offered[name] = value end
  protocol_once()
  if not next(sales) then
    agent.on("market/1.0/bid", on_bid)
    agent.on("market/1.0/received", on_received)
    agent.on_timer(DELIVER, on_deliver_due)
  end
  sales[sale.service] = sale
  agent.offer(offered)
end

-- What an offer says is the seller's word, which nothing has checked.
local function price_of(offered)
  local asking = math.type(offered.price) == "integer" and offered.price
  return asking and asking >= 0 and asking <= PRICE_MAX and asking or nil
end

local function start(purchase, seller, asking, ceiling)
  local first = purchase.opening or math.max(1, ceiling // 2)
  first = math.min(first, ceiling, asking or first)
  local id, why = agent.send(seller, "market/1.0/bid",
    { service = purchase.service, price = first, within = purchase.within })
  local talk = prices.open({
    role = "buyer", stage = "haggling", service = purchase.service, peer = seller, deal = id,
    within = purchase.within, rounds = 1, messages = {},
  }, first, asking, ceiling, purchase.patience - 1)
  if not id then
    log.debug("no bid", { seller = seller, why = why })
    book().avoid[partner(talk)] = haggle.now() + purchase.pause
    return
  end
  local thread = seller .. "|" .. id
  open(thread, talk)
  agent.after(DEADLINE, purchase.wait, thread)
end

local function ceiling_of(purchase)
  if type(purchase.ceiling) == "function" then return purchase.ceiling() end
  return purchase.ceiling
end

local function forgive(now)
  local over = {}
  for key, till in pairs(book().avoid) do
    if till <= now then over[#over + 1] = key end
  end
  for _, key in ipairs(over) do book().avoid[key] = nil end
end

-- Opens negotiations until `parallel` of this purchase are going on.
local function shop(purchase)
  local all, going, ceiling = book(), 0, ceiling_of(purchase)
  forgive(haggle.now())
  if not ceiling or ceiling < 1 then return end
  local prefix = purchase.service .. " "
  for key in pairs(all.with) do
    if key:sub(1, #prefix) == prefix then going = going + 1 end
  end
  local before = type(purchase.order) == "function" and purchase.order
  local offers, why = agent.find {
    service = purchase.service, protocol = market.protocol, where = purchase.where,
    order = before and "price" or purchase.order, limit = purchase.sellers,
  }
  if not offers then return log.warn("no search", { why = why }) end
  if before then table.sort(offers, before) end
  for _, found in ipairs(offers) do
    if going >= purchase.parallel then return end
    local key = prefix .. found.agent
    if found.agent ~= agent.id and not all.with[key] and not all.avoid[key] then
      start(purchase, found.agent, price_of(found), ceiling)
      going = going + 1
    end
  end
end

-- Buys a service again and again.
--
--   service, ceiling         the highest price, or a function that tells it (nil: nothing now)
--   on_result(deal, result)  what was delivered
--   opening                  the first bid; half the ceiling when absent
--   reserve(deal) → true     or nil, why: in one transaction with the signature
--   release(deal, why)       the deal fell through or was breached
--   on_breach(deal, why)
--   every = "10s"            how often to look for a seller
--   where, order = "price"   which sellers, and which first (see agent.find); order(a, b) → true
--                            when offer a comes before b, of the cheapest
--   parallel = 1             negotiations at a time
--   sellers = 20             of the offers found, how many are considered
--   patience = 5             bids before the last word
--   strategy = "split"       a rule of market.strategies, or "model", or { model =, fallback =,
--                            within =, delay = } for it: see haggle.market.model
--   concede                  instead of it: position → next price, or nil, why: it leaves
--   within = "60s"           when a delivery is due, from the agreement on
--   wait = "30s"             how long the seller may take to answer
--   pause = "30s"            how long a seller is left alone after no deal was made
function market.buy(options)
  local purchase = declare(options, flags [[service ceiling on_result opening reserve release
    on_breach every where order parallel sellers patience strategy concede within wait pause]], {
    every = "10s", order = "price", parallel = 1, sellers = 20, patience = 5, within = "60s",
    wait = "30s", pause = "30s",
  })
  purchase.concede = assert_option(prices.strategy(purchase.concede, purchase.strategy))
  if type(purchase.ceiling) ~= "function" then check_price(purchase, "ceiling") end
  if purchase.opening then check_price(purchase, "opening") end
  if purchases[purchase.service] then error("'" .. purchase.service .. "' is bought already", 2) end
  protocol_once()
  if not next(purchases) then
    agent.on("market/1.0/counter", on_counter)
    agent.on("market/1.0/deliver", on_deliver)
  end
  purchases[purchase.service] = purchase
  agent.every(KEY .. ".buy " .. purchase.service, purchase.every, function() shop(purchase) end)
end

return market
