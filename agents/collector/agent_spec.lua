local test = require "haggle.test"
local market = require "haggle.market"
local describe, it, expect = test.describe, test.it, test.expect

local function seller_of(asking, floor)
  return ([[require "haggle.market".sell { service = "telemetry.load", asking = %d, floor = %d,
    deliver = function() return { one = 0.5 } end }]]):format(asking, floor)
end

local function collect(config, asking, floor)
  local world = test.world()
  config.services = { "telemetry.load" }
  world:agent { name = "collector", script = "agent.lua", config = config }
  if asking then world:agent { name = "kiosk", source = seller_of(asking, floor) } end
  return world
end

describe("collector", function()
  it("keeps the newest reading of each seller", function()
    local world = collect({}, 8, 4)
    world:agent { name = "second", source = seller_of(7, 4) }
    world:advance "20s"
    local readings = world:state("collector").readings["telemetry.load"]
    local reading = readings[world:id "second"]
    expect(reading.data):equals { one = 0.5 }
    expect(reading.price):is_between(4, 7)
    expect(world:now() - reading.at):is_between(0, 2000)
  end)

  it("spends no more than its budget until the hour is over", function()
    local world = collect({ budget = 20, ceiling = 6 }, 8, 4)
    world:advance "5m"
    local state = world:state "collector"
    expect(state.spent):is_between(15, 20)
    expect(state.left):equals(20 - state.spent)
    world:advance "1h"
    expect(world:state("collector").spent):is_between(30, 40)
  end)

  it("never pays more than its ceiling", function()
    local world = collect({ ceiling = 5 }, 9, 5)
    world:advance "1m"
    for _, deal in ipairs(world:deals "collector") do expect(deal.price):is_between(1, 5) end
    expect(#world:deals "collector" > 0):is_true()
  end)

  it("buys nothing that costs too much", function()
    local world = collect({ ceiling = 5 }, 9, 6)
    world:advance "5m"
    expect(world:state "collector"):has { bought = 0, spent = 0, left = 1000 }
  end)

  it("has its money again when nothing is delivered", function()
    local world = collect { budget = 100 }
    local seller = world:peer("kiosk", {
      protocols = { market.definition },
      offers = { { service = "telemetry.load", protocol = market.protocol, price = 3 } },
    })
    local bid = seller:expect "market/1.0/bid"
    seller:reply(bid, "accept", { deal = bid.thid, service = "telemetry.load", price = 3,
      within = 60000, buyer = bid.from, seller = seller.id, confirm_by = world:now() + 1000 })
    seller:expect "market/1.0/confirm"
    expect(world:state("collector").left):equals(97)
    world:advance "61s"
    expect(world:state "collector"):has { left = 100, bought = 0 }
    expect(world:deals("collector")[1].status):equals "breached"
  end)
end)
