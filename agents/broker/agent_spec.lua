local test = require "haggle.test"
local market = require "haggle.market"
local describe, it, expect = test.describe, test.it, test.expect

local function seller(asking, floor, deliver)
  return ([[require "haggle.market".sell { service = "telemetry.load", asking = %d, floor = %d,
    attempts = 1, retry = "1s", deliver = function() %s end }]]):format(asking, floor,
    deliver or "return { one = 0.5 }")
end

local function broker(config)
  local world = test.world()
  config = config or {}
  config.every, config.pause = config.every or "1s", config.pause or "5s"
  world:agent { name = "broker", script = "agent.lua", config = config }
  return world
end

local function bid(buyer, price)
  buyer:send("broker", "market/1.0/bid",
    { service = "dealt.telemetry.load", price = price, within = 60000 })
  return buyer:expect()
end

describe("broker", function()
  it("stocks up with the cheapest readings, and no more than it needs", function()
    local world = broker { stock = 2 }
    world:agent { name = "dear", source = seller(9, 9) }
    world:agent { name = "cheap", source = seller(5, 4) }
    world:advance "20s"
    local mine = world:state "broker"
    expect(#mine.stock["telemetry.load"]):equals(2)
    expect(mine.spent):is_between(4, 5 * 2 * 10)
    expect(mine.sellers[world:id "cheap"].deals):is_between(1, 20)
    expect(mine.sellers[world:id "dear"]):is_nil()
  end)

  it("leaves offers alone that name no price", function()
    local world = broker { stock = 1 }
    world:agent { name = "mute", source = [[
      agent.offer { service = "telemetry.load", protocol = "market/1.0" }
      agent.offer { service = "telemetry.load", protocol = "market/1.0", price = "cheap" }
    ]] }
    world:agent { name = "cheap", source = seller(5, 5) }
    world:advance "5s"
    expect(world:dead()):is_empty()
    local sellers = world:ask("broker", "broker/1.0/compare", { service = "telemetry.load" }).body
    expect(sellers.sellers):has_length(1):contains { agent = world:id "cheap" }
    expect(#world:state("broker").stock["telemetry.load"]):equals(1)
  end)

  it("resells what it has, at a margin, once", function()
    local world = broker { stock = 1, margin = 3, every = "10m", fresh = "1h" }
    world:agent { name = "cheap", source = seller(5, 5) }
    local buyer = world:peer("buyer", { protocols = { market.definition } })
    world:advance "11m"
    expect(#world:state("broker").stock["telemetry.load"]):equals(1)
    local accept = bid(buyer, 16)
    accept.body.confirm_by = nil
    buyer:reply(accept, "confirm", accept.body)
    local result = buyer:expect("market/1.0/deliver")
    expect(result.body.result.data):equals { one = 0.5 }
    expect(result.body.result.age):is_between(1, 3600000)
    expect(#world:state("broker").stock["telemetry.load"]):equals(0)
    buyer:reply(result, "received", { deal = result.body.deal })
    world:run()
    expect(world:state("broker").earned):equals(16)
    expect(bid(buyer, 16).body.code):equals "sold_out"
  end)

  it("sells nothing below what it paid and its margin", function()
    local world = broker { stock = 1, margin = 3, every = "10m", fresh = "1h" }
    world:agent { name = "cheap", source = seller(5, 5) }
    local buyer = world:peer("buyer", { protocols = { market.definition } })
    world:advance "11m"
    local reply = bid(buyer, 4)
    while reply.type == "market/1.0/counter" do
      buyer:reply(reply, "bid", { service = "dealt.telemetry.load", price = 4, within = 60000 })
      reply = buyer:expect()
    end
    expect(reply.type):equals "market/1.0/decline"
  end)

  it("puts back what a buyer did not take", function()
    local world = broker { stock = 1, every = "10m", fresh = "1h" }
    world:agent { name = "cheap", source = seller(5, 5) }
    local buyer = world:peer("buyer", { protocols = { market.definition } })
    world:advance "11m"
    local accept = bid(buyer, 14)
    expect(#world:state("broker").stock["telemetry.load"]):equals(0)
    buyer:reply(accept, "decline", { why = "no", code = "withdrawn" })
    world:run()
    expect(#world:state("broker").stock["telemetry.load"]):equals(1)
  end)

  it("throws away what is not fresh any more", function()
    local world = broker { stock = 1, fresh = "10s", every = "1h" }
    world:agent { name = "cheap", source = seller(5, 5) }
    world:advance "65m"
    world:advance "1h"
    expect(world:state("broker").wasted):is_between(5, 100)
  end)

  it("counts broken promises into the price", function()
    local world = broker { stock = 5, fresh = "1h" }
    world:agent { name = "liar", source = seller(4, 4, "return nil, 'never'") }
    world:agent { name = "honest", source = seller(5, 5) }
    world:advance "2m"
    local sellers = world:ask("broker", "broker/1.0/compare", { service = "telemetry.load" })
    expect(sellers.body.sellers[1].agent):equals(world:id "honest")
    expect(sellers.body.sellers[2].breaches):is_between(1, 50)
  end)

  it("buys by that, not by the bare price", function()
    local world = broker { stock = 1, fresh = "2s", pause = "1s" }
    world:agent { name = "liar", source = seller(4, 4, "return nil, 'never'") }
    world:agent { name = "honest", source = seller(5, 5) }
    world:advance "2m"
    local known = world:state("broker").sellers
    expect(known[world:id "liar"]):has { deals = 1, breaches = 1 }
    expect(known[world:id "honest"].deals):is_between(10, 120)
  end)
end)
