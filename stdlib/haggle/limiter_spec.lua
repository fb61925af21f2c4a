local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local DOOR = [[
local limiter = require "haggle.limiter"
agent.on("door/1.0/knock", function(message)
  local ok, why, code, wait = limiter.take(message.body.name or "door", message.body.options)
  message:reply("said", { ok = ok or false, why = why, code = code, wait = wait })
end)
agent.on("door/1.0/queue", function()
  limiter.wait("queue", { rate = "1/10s" })
  state.through = (state.through or 0) + 1
end)
]]

local function door()
  local world = test.world()
  world:agent { name = "door", source = DOOR }
  return world, function(options, name)
    return world:ask("door", "door/1.0/knock", { options = options, name = name }).body
  end
end

describe("limiter", function()
  it("grants the burst, then as the rate says", function()
    local world, knock = door()
    local options = { rate = "10/1m", burst = 2 }
    expect(knock(options).ok):equals(true)
    expect(knock(options).ok):equals(true)
    expect(knock(options)):equals { ok = false, why = "door: more than 10/1m", code = "limit",
      wait = 6000 }
    world:advance "5999ms"
    expect(knock(options).wait):equals(1)
    world:advance "1ms"
    expect(knock(options).ok):equals(true)
    expect(knock(options).ok):equals(false)
    world:advance "1h"
    for _ = 1, 2 do expect(knock(options).ok):equals(true) end
    expect(knock(options).ok):equals(false)
  end)
  it("grants what it said after how long", function()
    local world, knock = door()
    local options = { rate = "7/1s", burst = 7, count = 5 }
    for _ = 1, 20 do
      local said = knock(options)
      if not said.ok then
        world:advance(said.wait)
        expect(knock(options).ok):equals(true)
      end
    end
  end)
  it("remembers over restarts", function()
    local world, knock = door()
    local options = { rate = "1/1h" }
    expect(knock(options).ok):equals(true)
    world:restart()
    world:advance "59m"
    expect(knock(options).ok):equals(false)
    world:advance "1m"
    expect(knock(options).ok):equals(true)
  end)
  it("knows names apart, up to a thousand of them", function()
    local world, knock = door()
    local options = { rate = "1/1h" }
    expect(knock(options, "one").ok):equals(true)
    expect(knock(options, "two").ok):equals(true)
    world:agent { name = "many", source = [[
      local limiter = require "haggle.limiter"
      agent.on("try/1.0/go", function(message)
        for i = 1, 3000 do limiter.take("n" .. i, { rate = "1/1h", burst = 2 }) end
        local count = 0
        for _ in pairs(state["haggle.limiter"].names) do count = count + 1 end
        message:reply("done", { count = count, counted = state["haggle.limiter"].count })
      end)]] }
    local body = world:ask("many", "try/1.0/go", {}).body
    expect(body.count):is_between(750, 1000)
    expect(body.counted):equals(body.count)
  end)
  it("lets handlers wait for their turn, through restarts", function()
    local world = door()
    local peer = world:peer("p", {})
    for _ = 1, 5 do peer:send("door", "door/1.0/queue", {}) end
    world:advance "15s"
    expect(world:state("door").through):equals(2)
    world:restart()
    world:advance "31s"
    expect(world:state("door").through):equals(5)
  end)
  it("says what it does not take", function()
    for says, options in pairs {
      ["options are needed"] = "nil", ["a rate is written as"] = "{ rate = '10' }",
        ["zero"] = "{ rate = '1/0s' }",
      ["unknown option 'brust'"] = "{ rate = '1/1s', brust = 1 }",
        ["burst is"] = "{ rate = '1/1s', burst = 0 }",
      ["count is from 1 to burst, which is 1"] = "{ rate = '1/1s', count = 2 }",
        ["is not a duration"] = "{ rate = '1/5x' }",
    } do
      local world = test.world()
      world:agent { name = "a", source = [[
        local limiter = require "haggle.limiter"
        agent.on("try/1.0/go", function(message)
          local _, why = pcall(limiter.take, "x", ]] .. options .. [[)
          message:reply("done", { why = why })
        end)]] }
      expect(world:ask("a", "try/1.0/go", {}).body.why):matches(says)
    end
  end)
end)
