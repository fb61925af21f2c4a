local test = require "haggle.test"
local market = require "haggle.market"
local describe, it, expect = test.describe, test.it, test.expect

local GOODS = { { name = "apples", asking = 12, floor = 7, stock = 2 } }

local function shop(goods)
  local world = test.world()
  world:agent { name = "shop", script = "agent.lua", config = { goods = goods or GOODS } }
  return world, world:peer("buyer", { protocols = { market.definition } })
end

local function bid(buyer, price)
  buyer:send("shop", "market/1.0/bid", { service = "goods.apples", price = price, within = 60000 })
  return buyer:expect()
end

local function buy(buyer, price)
  local accept = bid(buyer, price)
  accept.body.confirm_by = nil
  buyer:reply(accept, "confirm", accept.body)
  local delivery = buyer:expect "market/1.0/deliver"
  buyer:reply(delivery, "received", { deal = delivery.body.deal })
  return delivery.body.result
end

describe("shop", function()
  it("tells what it has", function()
    local world = shop()
    expect(world:ask("shop", "shop/1.0/catalogue").body.goods):equals {
      { name = "apples", asking = 12, left = 2 } }
  end)

  it("sells a piece and counts it", function()
    local world, buyer = shop()
    expect(buy(buyer, 12)):has { good = "apples" }
    world:run()
    expect(world:state "shop"):has { sold = 1, earned = 12, shelves = { apples = { left = 1 } } }
  end)

  it("sells no piece that it does not have, and restocks", function()
    local world, buyer = shop()
    buy(buyer, 12)
    buy(buyer, 12)
    expect(bid(buyer, 12)):has { type = "market/1.0/decline" }
    world:advance "1h"
    expect(buy(buyer, 12)):has { good = "apples" }
  end)

  it("has a piece again when its buyer walks away", function()
    local world, buyer = shop()
    local accept = bid(buyer, 12)
    expect(world:state("shop").shelves.apples.left):equals(1)
    buyer:reply(accept, "decline", { why = "changed my mind", code = "withdrawn" })
    world:run()
    expect(world:state("shop").shelves.apples.left):equals(2)
  end)

  it("yields more while its shelves are full", function()
    local function first_counter(stock, sold)
      local _, buyer = shop { { name = "apples", asking = 100, floor = 10, stock = stock } }
      for _ = 1, sold do buy(buyer, 100) end
      return bid(buyer, 10).body.price
    end
    local full, nearly_empty = first_counter(10, 0), first_counter(10, 9)
    expect(full):is_between(10, 99)
    expect(nearly_empty):is_between(full + 1, 99)
  end)

  it("keeps its shelves across a restart", function()
    local world, buyer = shop()
    buy(buyer, 12)
    world:restart()
    expect(world:state("shop").shelves.apples.left):equals(1)
  end)

  it("trades with customers until their purses are empty", function()
    local world = test.world()
    world:agent { name = "shop", script = "agent.lua",
      config = { goods = { { name = "apples", asking = 12, floor = 7, stock = 100 } } } }
    world:agent { name = "dora", script = "customer.lua",
      config = { purse = 30, wishes = { { good = "apples", worth = 10 } } } }
    world:advance "3m"
    local dora, stall = world:state "dora", world:state "shop"
    expect(dora.purse):is_between(0, 9)
    expect(stall.earned):equals(30 - dora.purse)
    expect(dora.bag.apples):equals(stall.sold)
  end)
end)
