local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect
local definition = require "auction"

local LOTS = { { id = "vase", title = "A vase", from = 100 } }

local function auction(config)
  local world = test.world()
  config = config or {}
  config.lots = LOTS
  world:agent { name = "auctioneer", script = "agent.lua", config = config }
  return world
end

local function bidder(world, name)
  return world:peer(name or "bidder", { protocols = { definition } })
end

local function bid(peer, price, lot)
  peer:send("auctioneer", "auction/1.0/bid", { lot = lot or "vase", price = price })
  return peer:expect()
end

describe("auctioneer", function()
  it("tells what is open and what the least bid is", function()
    local world = auction()
    local peer = bidder(world)
    peer:send("auctioneer", "auction/1.0/catalogue")
    local lots = peer:expect("auction/1.0/lots").body.lots
    expect(lots[1]):has { lot = "vase", status = "open", least = 100, bids = 0, yours = false }
    bid(peer, 100)
    peer:send("auctioneer", "auction/1.0/catalogue")
    lots = peer:expect("auction/1.0/lots").body.lots
    expect(lots[1]):has { least = 110, price = 100, yours = true }
  end)

  it("takes the higher bid and tells the other that it was outbid", function()
    local world = auction()
    local ann, bob = bidder(world, "ann"), bidder(world, "bob")
    expect(bid(ann, 100)):has { type = "auction/1.0/leading" }
    expect(bid(bob, 110)):has { type = "auction/1.0/leading" }
    expect(ann:expect("auction/1.0/outbid").body):equals { lot = "vase", price = 110 }
  end)

  it("rejects what is too low, late or for no lot", function()
    local world = auction()
    local peer = bidder(world)
    expect(bid(peer, 99).body):equals { lot = "vase", why = "too low", least = 100 }
    bid(peer, 100)
    expect(bid(peer, 109).body):has { why = "too low", least = 110 }
    expect(bid(peer, 500, "moon").body):equals { lot = "moon", why = "there is no such lot" }
    world:advance "6m"
    peer:take "auction/1.0/won"
    expect(bid(peer, 500).body):equals { lot = "vase", why = "the lot is sold" }
  end)

  it("is not outwitted by a bid that leaves no room for a step", function()
    local world = auction()
    local ann, bob = bidder(world, "ann"), bidder(world, "bob")
    ann:send("auctioneer", "auction/1.0/bid", { lot = "vase", price = math.maxinteger })
    world:run()
    bob:send("auctioneer", "auction/1.0/bid", { lot = "vase", price = 0 })
    expect(bob:expect().type):equals "auction/1.0/rejected"
    world:advance "6m"
    expect(world:state("auctioneer").lots.vase.status):equals "unsold"
  end)

  it("sells to the highest bidder when the time is over", function()
    local world = auction()
    local ann, bob = bidder(world, "ann"), bidder(world, "bob")
    bid(ann, 100)
    bid(bob, 150)
    world:advance "5m"
    expect(bob:expect("auction/1.0/won").body):equals { lot = "vase", price = 150 }
    expect(ann:take "auction/1.0/won"):is_nil()
    expect(world:state("auctioneer").earned):equals(150)
    expect(world:deals("auctioneer")[1]):has {
      service = "auction.vase", price = 150, counterparty = bob.id }
  end)

  it("prolongs a lot that is bid for in its last moments", function()
    local world = auction { lasts = "1m", prolong = "20s" }
    local ann, bob = bidder(world, "ann"), bidder(world, "bob")
    bid(ann, 100)
    world:advance "55s"
    expect(bid(bob, 110).body.ends - world:now()):equals(20000)
    world:advance "19s"
    expect(world:state("auctioneer").lots.vase.status):equals "open"
    world:advance "2s"
    expect(world:state("auctioneer").lots.vase.status):equals "sold"
  end)

  it("does not sell what nobody bids for", function()
    local world = auction()
    world:advance "5m"
    expect(world:state("auctioneer").lots.vase.status):equals "unsold"
    expect(world:state("auctioneer").earned):equals(0)
  end)

  it("closes after a restart what ended meanwhile", function()
    local world = auction()
    local peer = bidder(world)
    bid(peer, 130)
    world:restart()
    world:advance "5m"
    expect(peer:expect("auction/1.0/won").body.price):equals(130)
  end)

  it("has bidders that no auctioneer confuses", function()
    local world = test.world()
    world:agent { name = "liar", path = test.folder .. "/liar.lua", source = [[
      agent.protocol(require "auction")
      agent.offer { service = "auction", protocol = "auction/1.0" }
      agent.on("auction/1.0/catalogue", function(message)
        message:reply("lots", { lots = {
          { lot = "vase", status = "open" }, { lot = "vase", status = "open", least = "1" },
          { lot = 5, status = "open", least = 1 }, { lot = "vase", status = "open", least = -1 },
        } })
      end)
      agent.on("auction/1.0/bid", function() state.bids = (state.bids or 0) + 1 end)
    ]] }
    world:agent { name = "iris", script = "bidder.lua", config = { worth = { vase = 180 } } }
    world:advance "11s"
    expect(world:dead()):is_empty()
    expect(world:state("liar").bids):is_nil()
  end)

  it("is fought for by bidders until only one goes higher", function()
    local world = auction { lasts = "1m", prolong = "10s" }
    for _, each in ipairs { { "iris", 180 }, { "jan", 240 }, { "kim", 205 } } do
      world:agent { name = each[1], script = "bidder.lua",
        config = { every = "2s", worth = { vase = each[2] } } }
    end
    world:advance "3m"
    expect(world:state("jan").won.vase):is_between(200, 215)
    expect(world:state("iris").won):equals {}
    expect(world:state("kim").won):equals {}
  end)
end)
