local test = require "haggle.test"
local market = require "haggle.market"
local describe, it, expect = test.describe, test.it, test.expect

local SELLER = [[
local market = require "haggle.market"
agent.on_start(function(reason)
  if reason == "created" then state.stock, state.made, state.broken = 2, 0, 0 end
end)
market.sell {
  service = "data", asking = agent.config.asking or 10, floor = agent.config.floor or 6,
  attributes = { region = "at" },
  reserve = function()
    if state.stock < 1 then return nil, "sold out" end
    state.stock = state.stock - 1
    return true
  end,
  release = function(_, why) state.stock, state.released = state.stock + 1, why end,
  deliver = function(deal)
    if state.made < (agent.config.failures or 0) then
      state.made = state.made + 1
      return nil, "the sensor is away"
    end
    return { text = "for " .. deal.price }
  end,
  on_delivered = function(deal) state.delivered = deal.price end,
  on_breach = function(_, why) state.broken = why end,
}
]]

local BUYER = [[
local market = require "haggle.market"
market.buy {
  service = "data", ceiling = agent.config.ceiling or 9, opening = 4, every = "10s",
  reserve = function(deal) state.held = deal.price return true end,
  release = function(_, why) state.released = why end,
  on_result = function(deal, result)
    state.results = state.results or {}
    state.results[#state.results + 1] = { price = deal.price, text = result.text }
  end,
  on_breach = function(_, why) state.broken = why end,
}
]]

local function trade(selling, buying)
  local world = test.world()
  world:agent { name = "seller", source = SELLER, config = selling }
  world:agent { name = "buyer", source = BUYER, config = buying }
  return world
end

-- A world with a real seller, and a peer that speaks the protocol by hand.
local function shop(selling)
  local world = test.world()
  world:agent { name = "seller", source = SELLER, config = selling }
  return world, world:peer("buyer", { protocols = { market.definition } })
end

-- The same for a real buyer.
local function customer(buying)
  local world = test.world()
  world:agent { name = "buyer", source = BUYER, config = buying }
  return world, world:peer("seller", {
    protocols = { market.definition },
    offers = { { service = "data", protocol = market.protocol, price = 10 } },
  })
end

local function bid(price)
  return { service = "data", price = price, within = 60000 }
end

-- What an accept's sender is answered with.
local function terms(accept)
  local copy = {}
  for name, value in pairs(accept.body) do copy[name] = value end
  copy.confirm_by = nil
  return copy
end

local function expect_decline(peer, code)
  expect(peer:expect("market/1.0/decline").body.code):equals(code)
end

describe("split", function()
  local function split(role, own, theirs, limit, left)
    return market.split { role = role, own = own, theirs = theirs, limit = limit, left = left }
  end

  it("moves by equal steps", function()
    expect(split("buyer", 4, 10, 8, 4)):equals(5)
    expect(split("seller", 10, 2, 6, 4)):equals(9)
  end)
  it("makes the last step in full, but not beyond the limit or the other's price", function()
    expect(split("buyer", 4, 10, 8, 1)):equals(8)
    expect(split("buyer", 4, 6, 8, 1)):equals(6)
    expect(split("seller", 10, 2, 6, 1)):equals(6)
    expect(split("seller", 10, 8, 6, 1)):equals(8)
  end)
  it("never goes back", function()
    expect(split("seller", 7, 12, 6, 3)):equals(7)
    expect(split("buyer", 8, 3, 9, 3)):equals(8)
  end)
end)

describe("market", function()
  it("closes a deal between floor and ceiling, recorded alike on both sides", function()
    local world = trade()
    world:advance "11s"
    local sold, bought = world:deals "seller", world:deals "buyer"
    expect(#sold):equals(1)
    expect(#bought):equals(1)
    expect(sold[1]):has { role = "seller", status = "delivered", service = "data", price = 7,
      rounds = 3, counterparty = world:id "buyer" }
    expect(bought[1]):has { role = "buyer", status = "delivered", service = "data", price = 7,
      rounds = 3, counterparty = world:id "seller", id = sold[1].id, messages = sold[1].messages }
    expect(#sold[1].messages):equals(4)
    expect(world:state("buyer").results):equals { { price = 7, text = "for 7" } }
    expect(world:state("seller")):has { stock = 1, delivered = 7 }
  end)

  it("leaves nothing behind when it is done", function()
    local world = trade()
    world:advance "11s"
    expect(world:state("seller")["haggle.market"]):equals {
      open = 0, talks = {}, buyers = {}, with = {}, avoid = {} }
    expect(world:state("buyer")["haggle.market"]):has { open = 0, talks = {}, with = {} }
  end)

  it("makes no deal when the floor is above the ceiling", function()
    local world = trade({ floor = 8 }, { ceiling = 7 })
    world:advance "1m"
    expect(world:deals()):equals {}
    expect(world:state("seller").stock):equals(2)
  end)

  it("leaves a seller alone for a while after no deal was made", function()
    local world, seller = customer()
    seller:reply(seller:expect("market/1.0/bid", "15s"), "decline", { why = "no", code = "busy" })
    world:advance "15s"
    expect(seller:take "market/1.0/bid"):is_nil()
    seller:expect("market/1.0/bid", "25s")
  end)

  it("sells no more than there is", function()
    local world = trade()
    world:advance "2m"
    expect(#world:deals "seller"):equals(2)
    expect(world:state("seller").stock):equals(0)
  end)

  it("says that it is sold out instead of accepting", function()
    local world, buyer = shop()
    for _ = 1, 2 do
      buyer:send("seller", "market/1.0/bid", bid(10))
      buyer:expect "market/1.0/accept"
    end
    buyer:send("seller", "market/1.0/bid", bid(10))
    expect_decline(buyer, "sold_out")
    expect(world:state("seller").stock):equals(0)
  end)

  it("declines a service that it does not sell, and too little time to deliver", function()
    local _, buyer = shop()
    buyer:send("seller", "market/1.0/bid", { service = "gold", price = 5, within = 60000 })
    expect_decline(buyer, "unknown")
    buyer:send("seller", "market/1.0/bid", { service = "data", price = 10, within = 5 })
    expect_decline(buyer, "within")
  end)

  it("leaves room for others when one buyer opens negotiations without end", function()
    local world, buyer = shop()
    for _ = 1, 21 do buyer:send("seller", "market/1.0/bid", bid(4)) end
    expect_decline(buyer, "busy")
    local other = world:peer("other", { protocols = { market.definition } })
    other:send("seller", "market/1.0/bid", bid(4))
    other:expect "market/1.0/counter"
    world:advance "31s"
    expect(world:state("seller")["haggle.market"]):has { open = 0, buyers = {} }
  end)

  it("signs the whole terms, twice", function()
    local world, buyer = shop()
    local id = buyer:send("seller", "market/1.0/bid", bid(10))
    local accept = buyer:expect "market/1.0/accept"
    expect(terms(accept)):equals { deal = id, service = "data", price = 10, within = 60000,
      buyer = buyer.id, seller = world:id "seller" }
    buyer:reply(accept, "confirm", terms(accept))
    local delivery = buyer:expect "market/1.0/deliver"
    expect(delivery.body):equals { deal = id, attempt = 1, result = { text = "for 10" } }
    buyer:reply(delivery, "received", { deal = id })
    world:run()
    expect(world:deals "seller"[1].status):equals "delivered"
  end)

  it("declines a confirmation of other terms, and has its stock again", function()
    local world, buyer = shop()
    buyer:send("seller", "market/1.0/bid", bid(10))
    local accept = buyer:expect "market/1.0/accept"
    local other = terms(accept)
    other.price = 1
    buyer:reply(accept, "confirm", other)
    expect_decline(buyer, "terms")
    expect(world:deals()):equals {}
    expect(world:state("seller").stock):equals(2)
  end)

  it("releases what it reserved when no confirmation comes", function()
    local world, buyer = shop()
    buyer:send("seller", "market/1.0/bid", bid(10))
    local accept = buyer:expect "market/1.0/accept"
    expect(world:state("seller").stock):equals(1)
    world:advance "61s"
    expect(world:state("seller")):has { stock = 2, released = "no answer in time" }
    buyer:reply(accept, "confirm", terms(accept))
    expect_decline(buyer, "late")
  end)

  it("forgets a buyer who does not answer a counter-offer", function()
    local world, buyer = shop()
    buyer:send("seller", "market/1.0/bid", bid(4))
    local counter = buyer:expect "market/1.0/counter"
    expect(counter.body.price):equals(9)
    world:advance "31s"
    expect(world:state("seller")["haggle.market"].open):equals(0)
    buyer:reply(counter, "bid", bid(9))
    expect_decline(buyer, "late")
  end)

  it("lets a buyer accept its counter-offer, with terms that match only", function()
    local world, buyer = shop()
    local id = buyer:send("seller", "market/1.0/bid", bid(4))
    local counter = buyer:expect "market/1.0/counter"
    local wanted = { deal = id, service = "data", price = 9, within = 60000, buyer = buyer.id,
      seller = world:id "seller", confirm_by = world:now() + 1000 }
    buyer:reply(counter, "accept", wanted)
    buyer:expect "market/1.0/confirm"
    buyer:expect "market/1.0/deliver"

    id = buyer:send("seller", "market/1.0/bid", bid(4))
    counter = buyer:expect "market/1.0/counter"
    wanted.deal, wanted.price, wanted.confirm_by = id, 5, world:now() + 1000
    buyer:reply(counter, "accept", wanted)
    expect_decline(buyer, "terms")
  end)

  it("confirms by another host's clock, but not an acceptance that has ended", function()
    local world, buyer = shop()
    local function accept_by(time)
      local id = buyer:send("seller", "market/1.0/bid", bid(4))
      buyer:reply(buyer:expect "market/1.0/counter", "accept", { deal = id, service = "data",
        price = 9, within = 60000, buyer = buyer.id, seller = world:id "seller",
        confirm_by = time })
    end
    accept_by(world:now() - 100000)
    buyer:expect "market/1.0/confirm"
    accept_by(world:now() - 130000)
    expect_decline(buyer, "late")
  end)

  it("tries a delivery again when it could not be made", function()
    local world = trade { failures = 3 }
    world:advance "30s"
    expect(world:deals "seller"[1].status):equals "delivered"
    expect(world:state("buyer").results[1].text):equals "for 7"
  end)

  it("records a breach on both sides when it cannot deliver", function()
    local world = trade { failures = 100 }
    world:advance "25s"
    expect(world:deals "seller"[1]):has { status = "breached", why = "the sensor is away" }
    expect(world:deals "buyer"[1].status):equals "breached"
    expect(world:state("seller")):has { broken = "the sensor is away", stock = 2 }
    expect(world:state("buyer").released):exists()
  end)

  it("records a breach when what it delivered is not acknowledged", function()
    local world, buyer = shop()
    buyer:send("seller", "market/1.0/bid", bid(10))
    local accept = buyer:expect "market/1.0/accept"
    buyer:reply(accept, "confirm", terms(accept))
    for attempt = 1, 5 do
      expect(buyer:expect("market/1.0/deliver").body.attempt):equals(attempt)
    end
    world:advance "5s"
    expect(buyer:take "market/1.0/deliver"):is_nil()
    expect(world:deals "seller"[1]):has { status = "breached", why = "not acknowledged" }
    expect(world:state("seller").stock):equals(1)
  end)

  it("records a breach of a seller who does not deliver in time", function()
    local world, seller = customer()
    local first = seller:expect("market/1.0/bid", "15s")
    seller:reply(first, "accept", { deal = first.thid, service = "data", price = 4,
      within = 60000, buyer = first.from, seller = seller.id, confirm_by = world:now() + 1000 })
    local confirm = seller:expect "market/1.0/confirm"
    world:advance "58s"
    expect(world:deals "buyer"[1].status):equals "agreed"
    world:advance "3s"
    expect(world:deals "buyer"[1]):has { status = "breached", why = "not delivered in time" }
    expect(world:state("buyer").broken):equals "not delivered in time"
    seller:reply(confirm, "deliver", { deal = first.thid, attempt = 1, result = {} })
    expect_decline(seller, "late")
  end)

  it("never bids above its ceiling and gives up when its patience is spent", function()
    local _, seller = customer()
    local price = 0
    local message = seller:expect("market/1.0/bid", "15s")
    for _ = 1, 5 do
      expect(message.body.price):is_between(price, 9)
      price = message.body.price
      seller:reply(message, "counter", { price = 100 })
      message = seller:expect()
    end
    expect(price):equals(9)
    expect(message):has { performative = "decline", body = {
      why = "the prices do not meet", code = "price" } }
  end)

  it("takes the sellers in the order that its own comparison says", function()
    local world = test.world()
    for asking = 5, 7 do
      world:agent { name = "asks" .. asking, source = SELLER,
        config = { asking = asking, floor = asking } }
    end
    world:agent { name = "buyer", source = [[require "haggle.market".buy {
      service = "data", ceiling = 9, every = "10s", on_result = function() end,
      order = function(a, b) return a.price > b.price end }]] }
    world:advance "15s"
    expect(world:deals "buyer"):has_length(1)
    expect(world:deals "buyer"[1].price):equals(7)
  end)

  it("stays within its limit whatever its own way to concede says", function()
    local world = test.world()
    world:agent { name = "seller", source = [[require "haggle.market".sell {
      service = "data", asking = 10, floor = 6, patience = 2, deliver = function() return {} end,
      concede = function(position) return position.limit - 3 end }]] }
    local buyer = world:peer("buyer", { protocols = { market.definition } })
    buyer:send("seller", "market/1.0/bid", bid(4))
    expect(buyer:expect("market/1.0/counter").body.price):equals(6)
    world:agent { name = "customer", source = [[require "haggle.market".buy {
      service = "gold", ceiling = 9, opening = 4, every = "1s",
      concede = function(position) return position.limit + 3 end }]] }
    local seller = world:peer("seller2", { protocols = { market.definition },
      offers = { { service = "gold", protocol = market.protocol, price = 20 } } })
    seller:reply(seller:expect "market/1.0/bid", "counter", { price = 20 })
    expect(seller:expect("market/1.0/bid").body.price):equals(9)
  end)

  it("is not kept from buying by an offer whose price is none", function()
    for _, price in ipairs { -5, math.mininteger, 1 << 60, 2.5, "free", true } do
      local world = test.world()
      world:agent { name = "buyer", source = BUYER }
      local seller = world:peer("seller", { protocols = { market.definition },
        offers = { { service = "data", protocol = market.protocol, price = price } } })
      expect(seller:expect("market/1.0/bid", "15s").body.price):equals(4)
      expect(world:dead()):is_empty()
    end
  end)

  it("leaves when its own way to concede names no price", function()
    local world = test.world()
    world:agent { name = "seller", source = [[require "haggle.market".sell {
      service = "data", asking = 10, floor = 6, deliver = function() return {} end,
      concede = function(position)
        if position.theirs < 5 then return nil, "that is an insult" end
        return position.own
      end }]] }
    local buyer = world:peer("buyer", { protocols = { market.definition } })
    buyer:send("seller", "market/1.0/bid", bid(4))
    expect(buyer:expect()):has { performative = "decline",
      body = { code = "price", why = "that is an insult" } }
    expect(world:state("seller")["haggle.market"]):has { open = 0, talks = {} }
    buyer:send("seller", "market/1.0/bid", bid(5))
    buyer:expect "market/1.0/counter"
  end)

  it("tells a way to concede where both prices came from", function()
    local world = test.world()
    world:agent { name = "seller", source = [[require "haggle.market".sell {
      service = "data", asking = 20, floor = 6, patience = 4, deliver = function() return {} end,
      concede = function(position)
        state.seen = state.seen or {}
        state.seen[#state.seen + 1] = position
        return position.own - 2
      end }]] }
    local buyer = world:peer("buyer", { protocols = { market.definition } })
    buyer:send("seller", "market/1.0/bid", bid(1))
    for _, price in ipairs { 3, 4 } do
      buyer:reply(buyer:expect "market/1.0/counter", "bid", bid(price))
    end
    expect(world:state("seller").seen):equals {
      { role = "seller", limit = 6, steps = 4, left = 4, rounds = 1, own = 20, own_before = 20,
        own_first = 20, theirs = 1, theirs_before = 1, theirs_first = 1 },
      { role = "seller", limit = 6, steps = 4, left = 3, rounds = 2, own = 18, own_before = 20,
        own_first = 20, theirs = 3, theirs_before = 1, theirs_first = 1 },
      { role = "seller", limit = 6, steps = 4, left = 2, rounds = 3, own = 16, own_before = 18,
        own_first = 20, theirs = 4, theirs_before = 3, theirs_first = 1 },
    }
  end)

  it("knows the first price of the offer that it bids for", function()
    local world = test.world()
    world:agent { name = "buyer", source = [[require "haggle.market".buy {
      service = "data", ceiling = 9, opening = 4, every = "10s", patience = 3,
      concede = function(position) state.seen = position return 5 end }]] }
    local seller = world:peer("seller", { protocols = { market.definition },
      offers = { { service = "data", protocol = market.protocol, price = 10 } } })
    seller:reply(seller:expect("market/1.0/bid", "15s"), "counter", { price = 8 })
    expect(world:state("buyer").seen):equals {
      role = "buyer", limit = 9, steps = 2, left = 2, rounds = 1, own = 4, own_before = 4,
      own_first = 4, theirs = 8, theirs_before = 10, theirs_first = 10 }
  end)

  it("lets its way to concede wait, also over a restart", function()
    local world = test.world()
    world:agent { name = "seller", source = [[require "haggle.market".sell {
      service = "data", asking = 10, floor = 6, wait = "5s", deliver = function() return {} end,
      concede = function(position) agent.sleep "2s" return position.own - 1 end }]] }
    local buyer = world:peer("buyer", { protocols = { market.definition } })
    buyer:send("seller", "market/1.0/bid", bid(4))
    world:advance "1s"
    world:restart()
    local counter = buyer:expect "market/1.0/counter"
    expect(counter.body.price):equals(9)
    world:advance "4s"
    buyer:reply(counter, "bid", bid(5)) -- what it waits for comes after it has given up
    expect_decline(buyer, "late")
    expect(world:state("seller")["haggle.market"]):has { open = 0, talks = {}, buyers = {} }
    expect(world:dead()):is_empty()
  end)

  it("forgets a buyer when its way to concede raises after it has waited", function()
    local world = test.world()
    world:agent { name = "seller", source = [[
      local market = require "haggle.market"
      market.sell { service = "data", asking = 10, floor = 6,
        deliver = function() return {} end,
        concede = function() agent.sleep "1s" error "no idea" end }]] }
    local peer = world:peer("buyer", { protocols = { market.definition } })
    peer:send("seller", "market/1.0/bid", bid(4))
    world:advance "5s"
    expect(world:dead "seller"):has_length(1)
    world:advance "1m"
    expect(world:state("seller")["haggle.market"]):has { open = 0, talks = {}, buyers = {} }
    expect(world:timers "seller"):is_empty()
  end)
  it("goes on after a restart in the middle of a negotiation and of a delivery", function()
    local world, buyer = shop { failures = 1 }
    buyer:send("seller", "market/1.0/bid", bid(4))
    local counter = buyer:expect "market/1.0/counter"
    world:restart()
    buyer:reply(counter, "bid", bid(9))
    local accept = buyer:expect "market/1.0/accept"
    world:restart()
    buyer:reply(accept, "confirm", terms(accept))
    world:run()
    expect(world:state("seller").made):equals(1)
    world:restart()
    local delivery = buyer:expect "market/1.0/deliver"
    world:restart()
    buyer:reply(delivery, "received", { deal = accept.thid })
    world:run()
    expect(world:deals "seller"[1].status):equals "delivered"
    expect(world:state("seller").stock):equals(1)
  end)

  it("refuses prices that are no integers, unknown options and a floor above asking", function()
    local function load_with(text)
      return function()
        test.world():agent { name = "x", source = 'require "haggle.market".sell {' .. text .. "}" }
      end
    end
    local deliver = "deliver = function() end"
    expect(load_with('service = "a", asking = 1.5,' .. deliver)):raises "'asking' is not a price"
    expect(load_with('service = "a", asking = 1, colour = 2,' .. deliver)):raises
      "unknown option 'colour'"
    expect(load_with('service = "a", asking = 1, floor = 2,' .. deliver)):raises
      "'floor' is above"
    expect(load_with('service = "a", asking = 1, strategy = "nice",' .. deliver)):raises
      "'strategy' is the name of one of market.strategies"
    expect(load_with('service = "a", asking = 1, strategy = { delay = 2 },' .. deliver)):raises
      "'delay' is a number from 0 to 1"
    expect(load_with('service = "a", asking = 1, strategy = { speed = 2 },' .. deliver)):raises
      "unknown option 'speed'"
    expect(load_with('service = "a", asking = 1, strategy = { fallback = "x" },' .. deliver)):raises
      "'fallback' is a rule"
    expect(load_with([[service = "a", asking = 1, strategy = "split",
      concede = function() end,]] .. deliver)):raises "either 'concede' or 'strategy'"
  end)
end)
