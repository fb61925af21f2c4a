local test = require "haggle.test"
local market = require "haggle.market"
local describe, it, expect = test.describe, test.it, test.expect

local LOAD = "0.83 1.81 1.54 3/93 16914\n"
local MEMORY = "MemTotal:       24684096 kB\nMemFree:  1 kB\nMemAvailable:   24231852 kB\n"
local NETWORK = [[
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 7640    46    0    0    0     0          0         0 7640    46    0    0    0     0 0 0
  eth0: 1000     5    0    0    0     0          0         0  200     3    0    0    0     0 0 0
  eth1:   10     1    0    0    0     0          0         0    2     1    0    0    0     0 0 0
]]
local ALL = { "read=/proc/loadavg", "read=/proc/meminfo", "read=/proc/net/dev" }

local function kiosk(options)
  local world = test.world()
  world:file("/proc/loadavg", LOAD)
  world:file("/proc/meminfo", MEMORY)
  world:file("/proc/net/dev", NETWORK)
  world:agent {
    name = "kiosk", script = "agent.lua", config = options and options.config,
    allow = options and options.allow or ALL,
  }
  return world, world:peer("buyer", { protocols = { market.definition } })
end

local function accepted(buyer, service, price)
  buyer:send("kiosk", "market/1.0/bid", { service = service, price = price, within = 60000 })
  return buyer:expect "market/1.0/accept"
end

local function buy(buyer, service)
  local accept = accepted(buyer, service, 8)
  accept.body.confirm_by = nil
  buyer:reply(accept, "confirm", accept.body)
  local delivery = buyer:expect "market/1.0/deliver"
  buyer:reply(delivery, "received", { deal = delivery.body.deal })
  return delivery.body.result
end

describe("kiosk", function()
  it("says so when it has nothing to sell", function()
    local world = kiosk { allow = {} }
    world:run()
    expect(world:log "kiosk"):contains { level = "warn", text = test.like "nothing to sell" }
    expect(world:find "has service"):is_empty()
    world = kiosk { allow = { "read=/proc/loadavg" } }
    world:run()
    expect(world:log "kiosk"):is_empty()
  end)

  it("delivers the load", function()
    local _, buyer = kiosk()
    expect(buy(buyer, "telemetry.load")):equals {
      one = 0.83, five = 1.81, fifteen = 1.54, running = 3, processes = 93 }
  end)

  it("delivers the memory in bytes", function()
    local _, buyer = kiosk()
    expect(buy(buyer, "telemetry.memory")):equals {
      total = 24684096 * 1024, available = 24231852 * 1024 }
  end)

  it("delivers the network counters, the loopback apart", function()
    local _, buyer = kiosk()
    expect(buy(buyer, "telemetry.network")):equals {
      received = 1010, sent = 202,
      interfaces = {
        lo = { received = 7640, sent = 7640 }, eth0 = { received = 1000, sent = 200 },
        eth1 = { received = 10, sent = 2 },
      },
    }
  end)

  it("reads at the moment of delivery", function()
    local world, buyer = kiosk()
    local accept = accepted(buyer, "telemetry.load", 8)
    accept.body.confirm_by = nil
    world:file("/proc/loadavg", "2.00 1.00 1.00 1/2 3\n")
    buyer:reply(accept, "confirm", accept.body)
    expect(buyer:expect("market/1.0/deliver").body.result.one):equals(2.0)
  end)

  it("counts what it sold", function()
    local world, buyer = kiosk()
    buy(buyer, "telemetry.load")
    buy(buyer, "telemetry.memory")
    world:run()
    expect(world:state "kiosk"):has { sold = 2, earned = 16, left = 58 }
  end)

  it("offers only what it may read", function()
    local world = kiosk { allow = { "read=/proc/meminfo" } }
    world:run()
    expect(#world:find "service=telemetry.memory"):equals(1)
    expect(#world:find "service=telemetry.load"):equals(0)
  end)

  it("sells no more in a minute than it says", function()
    local world, buyer = kiosk { config = { per_minute = 1 } }
    buy(buyer, "telemetry.load")
    buyer:send("kiosk", "market/1.0/bid", { service = "telemetry.load", price = 8, within = 60000 })
    expect(buyer:expect("market/1.0/decline").body.code):equals "sold_out"
    world:advance "1m"
    buy(buyer, "telemetry.load")
  end)

  it("takes another time when a file cannot be read", function()
    local world, buyer = kiosk()
    world:file("/proc/loadavg", nil)
    local accept = accepted(buyer, "telemetry.load", 8)
    accept.body.confirm_by = nil
    buyer:reply(accept, "confirm", accept.body)
    world:advance "3s"
    world:file("/proc/loadavg", LOAD)
    expect(buyer:expect("market/1.0/deliver").body.result.one):equals(0.83)
  end)
end)
