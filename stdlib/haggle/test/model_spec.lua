local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local ASKS = [[
agent.on("ask/1.0/model", function(message)
  local body = message.body
  state.began = (state.began or 0) + 1
  local out, why, code = agent.infer(body.model or "m", body.inputs, { within = body.within })
  state.ended = (state.ended or 0) + 1
  message:reply("told", { out = out, why = why, code = code })
end)
]]

local function asking(allow)
  local world = test.world()
  world:agent { name = "asker", source = ASKS, allow = allow or { "infer=m" } }
  return world
end

local function ask(world, body)
  local reply, why = world:ask("asker", "ask/1.0/model", body)
  return reply and reply.body or why
end

describe("agent.infer in a world", function()
  it("gets what the model's function gives", function()
    local world = asking()
    world:model("m", function(request, agent)
      expect(request):equals { x = { 1, 2.5 } }
      expect(agent):equals "asker"
      return { sum = 3.5, list = { 1, 2 } }
    end)
    expect(ask(world, { inputs = { x = { 1, 2.5 } } }).out):equals { sum = 3.5, list = { 1, 2 } }
  end)

  it("gets its failures", function()
    local world = asking()
    world:model("m", function() return nil, "the queue is full", "limit" end)
    expect(ask(world, { inputs = {} })):equals { why = "the queue is full", code = "limit" }
  end)

  it("is denied without the grant, which is named", function()
    local world = asking {}
    world:model("m", function() return {} end)
    local told = ask(world, { inputs = {} })
    expect(told.code):equals "denied"
    expect(told.why):matches "%-%-allow asker:infer=m"
  end)

  it("says so when there is no such model", function()
    local world = asking { "infer=*" }
    local told = ask(world, { inputs = {} })
    expect(told.code):equals "not_found"
    expect(told.why):matches "world:model"
    world:model("other", function() return {} end)
    told = ask(world, { inputs = {} })
    expect(told.code):equals "not_found"
    expect(told.why):matches "world:model%('m'"
  end)

  it("ends with its time when no answer comes", function()
    local world = asking()
    world:model("m", function() return nil end)
    expect(ask(world, { inputs = {}, within = "2s" }).code):equals "timeout"
  end)

  it("is not asked again when the handler is run again", function()
    local world, asked = asking(), 0
    world:agent { name = "sleeper", allow = { "infer=m" }, source = [[
      agent.on("s/1.0/go", function(message)
        local out = agent.infer("m", { n = 1 })
        agent.sleep "1m"
        state.got = out.n
      end)]] }
    world:model("m", function() asked = asked + 1 return { n = asked } end)
    world:send("sleeper", "s/1.0/go")
    world:run()
    world:kill "home"
    world:start "home"
    world:advance "2m"
    expect(world:state("sleeper").got):equals(1)
    expect(asked):equals(1)
  end)

  it("is asked again after a crash before its answer", function()
    local world, hangs, asked = asking(), true, 0
    world:model("m", function()
      asked = asked + 1
      if hangs then return nil end
      return { n = 7 }
    end)
    world:send("asker", "ask/1.0/model", { inputs = {}, within = "1h" })
    world:run()
    world:kill "home"
    hangs = false
    world:start "home"
    world:run()
    expect(world:state "asker"):equals { began = 1, ended = 1 }
    expect(asked):equals(2)
  end)

  it("fails the test when the function does", function()
    local world = asking()
    world:model("m", function() return 5 end)
    expect(function() ask(world, { inputs = {} }) end):raises "answered a number"
    expect(function() world:model("m") end):raises "takes a name and a function"
  end)
end)
