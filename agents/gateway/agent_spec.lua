local test = require "haggle.test"
local market = require "haggle.market"
local describe, it, expect = test.describe, test.it, test.expect

local ENDPOINT = {
  service = "weather.now", url = "https://api.example.org/now", asking = 4, floor = 2, keep = "1m" }

local function gateway(answer, config)
  local world = test.world()
  config = config or {}
  config.endpoints = config.endpoints or { ENDPOINT }
  world:agent { name = "gateway", script = "agent.lua", config = config,
    allow = { "net=api.example.org:443", "secret=key" } }
  local seen = {}
  world:http(function(request)
    seen[#seen + 1] = request
    return answer(request)
  end)
  return world, world:peer("buyer", { protocols = { market.definition } }), seen
end

local function agree(buyer, price)
  buyer:send("gateway", "market/1.0/bid",
    { service = "weather.now", price = price or 4, within = 60000 })
  local accept = buyer:expect "market/1.0/accept"
  accept.body.confirm_by = nil
  buyer:reply(accept, "confirm", accept.body)
end

local function buy(buyer)
  agree(buyer)
  local delivery = buyer:expect "market/1.0/deliver"
  buyer:reply(delivery, "received", { deal = delivery.body.deal })
  return delivery.body.result
end

local function fine() return { json = { celsius = 21 } } end

describe("gateway", function()
  it("sells what the API answers", function()
    local world, buyer, seen = gateway(fine)
    expect(buy(buyer).answer):equals { celsius = 21 }
    expect(seen[1]):has { method = "GET", url = "https://api.example.org/now" }
    world:run()
    expect(world:state "gateway"):has { requests = 1, earned = 4 }
  end)

  it("sends the key along, which nobody sees", function()
    local _, buyer, seen = gateway(fine, { secret = "key", header = "X-Key", scheme = "" })
    buy(buyer)
    expect(seen[1].headers["x-key"]):equals "[secret key]"
  end)

  it("sells an answer again while it is good", function()
    local world, buyer, seen = gateway(fine)
    buy(buyer)
    world:advance "30s"
    expect(buy(buyer).age):is_between(30000, 31000)
    expect(#seen):equals(1)
    world:advance "1m"
    buy(buyer)
    expect(#seen):equals(2)
  end)

  it("asks the API for each deal where nothing is to be kept", function()
    local _, buyer, seen = gateway(fine, { endpoints = {
      { service = "weather.now", url = ENDPOINT.url, asking = 4 } } })
    buy(buyer)
    buy(buyer)
    expect(#seen):equals(2)
  end)

  it("tries again when the API fails for a while", function()
    local times = 0
    local world, buyer = gateway(function()
      times = times + 1
      if times < 3 then return { status = 503 } end
      return fine()
    end)
    agree(buyer)
    world:advance "10s"
    expect(buyer:expect("market/1.0/deliver").body.result.answer):equals { celsius = 21 }
    expect(times):equals(3)
  end)

  it("owns up when the API fails for good", function()
    local world, buyer = gateway(function() return nil, "no route", "unreachable" end)
    agree(buyer)
    world:advance "1m"
    expect(buyer:expect("market/1.0/decline").body):has { code = "undelivered" }
    expect(world:deals("gateway")[1]):has { status = "breached" }
    expect(world:state("gateway").earned):equals(0)
  end)

  it("goes on with a delivery when its host died while the API was asked", function()
    local times = 0
    local world, buyer = gateway(function()
      times = times + 1
      if times > 1 then return fine() end
    end)
    agree(buyer)
    world:run()
    world:kill "gateway"
    world:start "gateway"
    expect(buyer:expect("market/1.0/deliver").body.result.answer):equals { celsius = 21 }
    expect(times):equals(2)
  end)
end)
