local test = require "haggle.test"
local market = require "haggle.market"
local describe, it, expect = test.describe, test.it, test.expect

local ACTIONS = { "quit", "accept", 0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0 }
local ROLE, STEP, DELAY = 1, 17, 18 -- features: is a seller, is its first step, cost of an offer

-- Scores by which these actions are liked best, in this order.
local function like(...)
  local scores = {}
  for i, action in ipairs(ACTIONS) do
    scores[i] = 0.0
    for rank, liked in ipairs { ... } do
      if action == liked then scores[i] = 10.0 - rank end
    end
  end
  return { scores = scores }
end

-- A buyer who decides by `model`, and a seller that the spec speaks through.
local function buyer(model, options, allow)
  local world, seen = test.world(), {}
  if model then
    world:model("market", function(inputs)
      seen[#seen + 1] = inputs.features
      return model(inputs.features)
    end)
  end
  world:agent { name = "buyer", allow = allow or { "infer=market" }, source = ([[
    require "haggle.market".buy { service = "data", ceiling = 100, opening = 40, every = "10s",
      strategy = %s }]]):format(options or '"model"') }
  local seller = world:peer("seller", { protocols = { market.definition },
    offers = { { service = "data", protocol = market.protocol, price = 200 } } })
  return world, seller, seen
end

local function answer(seller, price)
  seller:reply(seller:expect("market/1.0/bid", "15s"), "counter", { price = price })
  return seller:expect()
end

describe("a side that decides by a model", function()
  it("goes as far as the model says, towards the other's price or its own limit", function()
    local _, seller = buyer(function() return like(0.3) end)
    expect(answer(seller, 150).body.price):equals(58)
    _, seller = buyer(function() return like(0.3) end)
    expect(answer(seller, 60).body.price):equals(46)
    _, seller = buyer(function() return like(0.0) end)
    expect(answer(seller, 60).body.price):equals(40)
  end)

  it("accepts, but nothing beyond its limit", function()
    local _, seller = buyer(function() return like("accept", 0.75) end)
    expect(answer(seller, 90)):has { performative = "accept", body = { price = 90 } }
    _, seller = buyer(function() return like("accept", 0.75) end)
    expect(answer(seller, 101)):has { performative = "bid", body = { price = 85 } }
  end)

  it("leaves", function()
    local world, seller = buyer(function() return like "quit" end)
    expect(answer(seller, 90)):has { performative = "decline", body = { code = "price" } }
    expect(world:state("buyer")["haggle.market"].open):equals(0)
  end)

  it("sells by it as well", function()
    local world, seen = test.world(), {}
    world:model("market", function(inputs)
      seen[#seen + 1] = inputs.features
      return like(0.55)
    end)
    world:agent { name = "seller", allow = { "infer=market" }, source = [[
      require "haggle.market".sell { service = "data", asking = 100, floor = 60,
        strategy = { delay = 0.02 }, deliver = function() return {} end }]] }
    local peer = world:peer("buyer", { protocols = { market.definition } })
    peer:send("seller", "market/1.0/bid", { service = "data", price = 50, within = 60000 })
    expect(peer:expect("market/1.0/counter").body.price):equals(78)
    expect(seen):has_length(1)
    expect(seen[1]):has_length(18)
    expect(seen[1][ROLE]):equals(1.0)
    expect(seen[1][STEP]):equals(1.0)
    expect(seen[1][DELAY]):is_near(0.2, 1e-6)
  end)

  it("sees what is bounded, whatever the prices", function()
    for _, price in ipairs { 0, 1, 1000000000000000 } do
      local _, seller, seen = buyer(function() return like(0.1) end)
      answer(seller, price)
      expect(seen[1]):has_length(18)
      for _, value in ipairs(seen[1]) do expect(value):is_between(-2, 2) end
      expect(seen[1][ROLE]):equals(0.0)
    end
  end)

  it("goes by a rule where there is no model, and where it is not granted", function()
    local _, seller = buyer(nil)
    expect(answer(seller, 150).body.price):equals(55) -- linear: 40, 55, 70, 85, 100
    local world
    world, seller = buyer(function() return like "quit" end, '{ fallback = "boulware" }', {})
    expect(answer(seller, 150).body.price):equals(40)
    expect(world:log "buyer"):contains { level = "warn", text = test.like "fallback rule" }
    _, seller = buyer(nil, "{ fallback = function(position) return position.own + 1 end }")
    expect(answer(seller, 150).body.price):equals(41)
  end)

  it("goes by a rule when the model takes too long", function()
    local world, seller = buyer(function() return nil end, '{ within = "20ms" }')
    expect(answer(seller, 150).body.price):equals(55)
    expect(world:state("buyer")["haggle.policy"].market):has { fallback = 1, code = "timeout" }
  end)

  it("asks nobody when its last offer is spent", function()
    local asked = 0
    local _, seller = buyer(function() asked = asked + 1 return like(0.0) end)
    for _ = 1, 4 do
      seller:reply(seller:expect("market/1.0/bid", "15s"), "counter", { price = 150 })
    end
    seller:reply(seller:expect "market/1.0/bid", "counter", { price = 100 })
    expect(seller:expect()):has { performative = "accept", body = { price = 100 } }
    expect(asked):equals(4)
  end)
end)
