local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local CALLER = [[
local retry = require "haggle.retry"
agent.on("try/1.0/go", function(message)
  local options = message.body.options
  local value, why, code = retry.call(function(attempt)
    if not state.at then state.at = {} end
    state.at[#state.at + 1] = os.time() - 1767225600
    if attempt >= message.body.good then return "done", attempt end
    if message.body.raise then error(message.body.raise) end
    return nil, "not yet", message.body.code or "timeout"
  end, options)
  state.result = { value = value, why = why, code = code }
end)
]]

local function call(body)
  local world = test.world()
  world:agent { name = "a", source = CALLER }
  world:peer("p", {}):send("a", "try/1.0/go", body)
  world:run()
  return world
end

describe("retry.call", function()
  it("waits longer each time, up to a most", function()
    local world = call { good = 6, options = { attempts = 6, delay = "2s", factor = 3,
      max = "10s", jitter = 0 } }
    world:advance "2m"
    expect(world:state("a").at):equals { 0, 2, 8, 18, 28, 38 }
    expect(world:state("a").result):equals { value = "done", why = 6 }
  end)
  it("is in its third attempt after a restart", function()
    local world = call { good = 4, options = { attempts = 5, delay = "10s", jitter = 0 } }
    for _ = 1, 10 do
      world:advance "7s"
      world:restart()
    end
    world:advance "30s"
    expect(world:state("a").at):equals { 0, 10, 30, 70 }
    expect(world:state("a").result.value):equals "done"
    expect(world:dead()):equals {}
  end)
  it("gives the last answer when it gives up", function()
    local world = call { good = 9, options = { delay = "1s" } }
    world:advance "1m"
    expect(#world:state("a").at):equals(3)
    expect(world:state("a").result):equals { why = "not yet", code = "timeout" }
  end)
  it("tries whole times", function()
    local world = call { good = 9, options = { attempts = 2.5, delay = "1s" } }
    world:advance "1m"
    expect(#world:state("a").at):equals(2)
    expect(world:state("a").result):equals { why = "not yet", code = "timeout" }
  end)
  it("does not try again what will not pass", function()
    expect(call({ good = 9, code = "refused" }):state("a").at):equals { 0 }
    local world = call { good = 9, code = "refused", options = { on = { "refused" } } }
    world:advance "1m"
    expect(#world:state("a").at):equals(3)
    expect(#call({ good = 9, options = { attempts = 1 } }):state("a").at):equals(1)
  end)
  it("spreads by chance, within its part", function()
    local world = call { good = 20, options = { attempts = 20, delay = "100s", factor = 1,
      max = "100s", jitter = 0.5 } }
    world:advance "1h"
    local at, least, most = world:state("a").at, 1000, 0
    for i = 2, #at do
      least, most = math.min(least, at[i] - at[i - 1]), math.max(most, at[i] - at[i - 1])
    end
    expect(#at):equals(20)
    expect(least):is_between(49, 90)
    expect(most):is_between(110, 151)
  end)
  it("catches nothing that is raised", function()
    local world = call { good = 9, raise = "broken" }
    world:advance "10s"
    expect(world:state("a").at):is_nil()
    expect(#world:dead()):equals(1)
  end)
  it("says which options it does not know", function()
    for _, options in ipairs { { tries = 3 }, { attempts = 0 }, { factor = 0.5 }, {
      delay = "soon" },
      { jitter = -1 }, { attempts = "many" } } do
      local world = call { good = 1, options = options }
      world:advance "10s"
      expect(#world:dead()):equals(1)
    end
  end)
end)
