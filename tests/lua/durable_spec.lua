-- Handlers that wait: what they know after a suspension, after a restart, and beside each other.
-- tests/integration/forget_lua.py runs these and all other specs with Lua states given up at every
-- suspension, and compares what happens.
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local SHOP = [[
local haggle = require "haggle"

agent.on("shop/1.0/tour", function(message)
  state.lots = state.lots or {}
  local mine = { name = message.body.name, at = haggle.now(), seen = {} }
  mine.lucky = math.random(1, 1000)
  state.lots[#state.lots + 1] = mine
  local lot = state.lots[#state.lots]
  for _, stall in ipairs { "north", "south", "east" } do
    local reply, _, code = agent.ask(stall, "stall/1.0/price", { of = mine.name },
      { within = "2s" })
    lot.seen[stall] = reply and reply.body.price or code
    log.info("asked", { stall = stall, price = lot.seen[stall] })
    agent.sleep(lot.lucky)
  end
  local answers = agent.ask_all({ { "north", "stall/1.0/price", { of = "b" } },
    { "south", "stall/1.0/price", { of = "c" } } }, { within = "3s" })
  local walk = coroutine.wrap(function()
    for i, answer in ipairs(answers) do
      agent.sleep "10ms"
      coroutine.yield(i .. ":" .. (answer.ok and answer.message.body.price or answer.code))
    end
  end)
  lot.walk = walk() .. " " .. walk()
  table.sort(state.lots, function(a, b) return a.lucky < b.lucky end)
  local place = agent.exclusive("gate", function()
    state.gate = (state.gate or 0) + 1
    local place = state.gate
    agent.sleep "50ms"
    return place
  end)
  lot.place, lot.id = place, haggle.id()
  agent.after("forget", "1m", mine.name, { key = mine.name })
  message:reply("toured", { place = place, waited = haggle.now() - mine.at })
end)

agent.on_timer("forget", function(name)
  for i, lot in ipairs(state.lots) do
    if lot.name == name then return table.remove(state.lots, i) end
  end
end)

agent.every("stir", "170ms", function() -- moves tables that others hold
  if state.lots and #state.lots > 1 then table.insert(state.lots, table.remove(state.lots, 1)) end
end)

agent.on("shop/1.0/count", function(message)
  local n = message.body.n
  state.count = n
  agent.sleep "5ms"
  if n < 40 then return agent.continue("count", n + 1) end
end)
agent.on_timer("count", function(n)
  state.count = n
  agent.sleep "5ms"
  if n < 40 then agent.continue("count", n + 1) end
end)
]]

local STALL = [[
agent.on("stall/1.0/price", function(message)
  state.asked = (state.asked or 0) + 1
  if message.body.of == "none" then return message:refuse("not here", "sold_out") end
  agent.sleep(20 * #message.body.of)
  message:reply("price", { price = state.asked })
end)
]]

local function market()
  local world = test.world()
  world:agent { name = "shop", source = SHOP }
  world:agent { name = "north", source = STALL }
  world:agent { name = "south", source = STALL }
  world:peer("visitor", { handles = { "shop/1.0/toured" } })
  return world
end

describe("handlers that wait", function()
  it("know after each suspension what they knew before, side by side", function()
    local world = market()
    for i = 1, 6 do
      world:agent { name = "guest" .. i, source = ([[
        agent.on("go/1.0/now", function()
          local body = { name = ("x"):rep(%d) }
          local reply = agent.ask("shop", "shop/1.0/tour", body, { within = "1m" })
          log.info("toured", reply.body)
        end)]]):format(i) }
    end
    local visitor = world:peer("caller", {})
    for i = 1, 6 do visitor:send(world:id("guest" .. i), "go/1.0/now", {}) end
    world:advance "20s"
    local lots = world:state("shop").lots
    expect(#lots):equals(6)
    local places = {}
    for _, lot in ipairs(lots) do
      places[lot.place] = lot.name
      expect(lot.seen.east):equals("undeliverable")
      expect(lot.seen.north):exists()
    end
    expect(#places):equals(6)
    expect(world:state("shop").gate):equals(6)
    world:advance "1m"
    expect(#world:state("shop").lots):equals(0)
    expect(#world:dead()):equals(0)
  end)

  it("go on after a restart in the midst of them", function()
    local world = market()
    local visitor = world:peer("caller", { handles = { "shop/1.0/toured" } })
    for i = 1, 3 do visitor:send(world:id "shop", "shop/1.0/tour", { name = ("y"):rep(i) }) end
    for _ = 1, 40 do
      world:advance "90ms"
      world:restart()
    end
    world:advance "10s"
    expect(#world:state("shop").lots):equals(3)
    expect(world:state("shop").gate):equals(3)
    expect(#world:dead()):equals(0)
  end)

  it("begin anew without end", function()
    local world = market()
    local visitor = world:peer("caller", {})
    visitor:send(world:id "shop", "shop/1.0/count", { n = 1 })
    for _ = 1, 5 do
      world:advance "60ms"
      world:restart()
    end
    world:advance "1s"
    expect(world:state("shop").count):equals(40)
  end)
end)
