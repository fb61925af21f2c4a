local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

-- An agent that decides what it is asked to, with these options beside model and features.
local function source(options)
  return ([[
local policy = require "haggle.policy"
local decide = policy.new {
  model = "thermostat", width = 2,
  features = function(view)
    return { view.celsius / 40, view.wrong and 0 / 0 or view.outside / 40 }
  end,
  fallback = function(view) return view.celsius < 19 and "heat" or "wait" end,
  %s
}
agent.on("climate/1.0/ask", function(message)
  local action, origin, why, code = decide(message.body)
  message:reply("do", { action = action, source = origin, why = why, code = code })
end)
agent.on("climate/1.0/count", function(message)
  message:reply("counts", policy.counts "thermostat")
end)
]]):format(options or 'actions = { "heat", "wait", "cool" }')
end

-- `answer`: what the model makes of { celsius, outside } / 40, or nothing when there is none.
local function house(answer, options, allow)
  local world = test.world()
  if answer then
    world:model("thermostat", function(inputs) return answer(inputs.features) end)
  end
  world:agent { name = "house", source = source(options),
    allow = allow or { "infer=thermostat" } }
  return world, function(celsius, outside, wrong)
    local reply, why = world:ask("house", "climate/1.0/ask",
      { celsius = celsius, outside = outside or 0, wrong = wrong })
    return reply and reply.body, why
  end
end

local function always(...)
  local scores = { ... }
  return function() return { scores = scores } end
end

local function warnings(world)
  local found = {}
  for _, line in ipairs(world:log "house") do
    if line.level == "warn" then found[#found + 1] = line.text end
  end
  return found
end

describe("policy", function()
  it("takes the action with the best score", function()
    local _, ask = house(function(features)
      return { scores = { 0.5 - features[1], 0.1, features[1] - 0.6 } }
    end)
    expect(ask(10)):equals { action = "heat", source = "model" }
    expect(ask(20)):equals { action = "wait", source = "model" }
    expect(ask(38)):equals { action = "cool", source = "model" }
  end)

  it("takes the first of equals, and a list of one row", function()
    local _, ask = house(always(1, 2, 2))
    expect(ask(20).action):equals "wait"
    _, ask = house(always { 3, 2, 1 })
    expect(ask(20).action):equals "heat"
  end)

  it("chooses only what is allowed", function()
    local options = [[actions = { "heat", "wait", "cool" },
      allowed = function(action, view) return view.outside > 10 or action ~= "cool" end]]
    local _, ask = house(always(1, 2, 3), options)
    expect(ask(20, 20).action):equals "cool"
    expect(ask(20, 5).action):equals "wait"
    _, ask = house(always(1, 2, 3),
      [[actions = { "heat", "wait", "cool" }, allowed = function() return false end]])
    expect(ask(20)):has { source = "fallback", code = "unusable" }
  end)

  it("lets a function make an action of what the model gave", function()
    local options = [[action = function(outputs, view)
      if outputs.degrees > 30 then return nil, "too hot" end
      return ("to %d from %d"):format(outputs.degrees, view.celsius)
    end]]
    local degrees = 21
    local _, ask = house(function() return { degrees = degrees } end, options)
    expect(ask(18)):equals { action = "to 21 from 18", source = "model" }
    degrees = 50
    expect(ask(18)):equals {
      action = "heat", source = "fallback", why = "too hot", code = "unusable" }
  end)

  it("goes by its rule where there is no model, and where it is not granted", function()
    local _, ask = house(nil)
    expect(ask(10)):has { action = "heat", source = "fallback" }
    expect(ask(20)):has { action = "wait", source = "fallback" }
    _, ask = house(always(1, 2, 3), nil, {})
    expect(ask(20)):has { action = "wait", source = "fallback", code = "denied" }
  end)

  it("goes by its rule when the time is over", function()
    local world, ask = house(function() return nil end,
      [[within = "20ms", actions = { "heat", "wait", "cool" }]])
    local before = world:now()
    expect(ask(10)):has { action = "heat", source = "fallback", code = "timeout" }
    expect(world:now() - before):is_between(20, 100)
  end)

  it("goes by its rule when the answer leads to no action", function()
    for _, answer in ipairs { always(1, 2), always(1, "2", 3),
        function() return { other = { 1, 2, 3 } } end } do
      local _, ask = house(answer)
      expect(ask(20)):has { action = "wait", source = "fallback", code = "unusable" }
    end
  end)

  it("raises for features that are not finite or too many", function()
    local world, ask = house(always(1, 2, 3))
    expect(ask(20, 0, true)):is_nil()
    expect(world:dead()[1].why):matches "features%[2%] is .*nan, not a finite number"
    world, ask = house(always(1, 2, 3), [[width = 3, actions = { "heat", "wait", "cool" }]])
    expect(ask(20)):is_nil()
    expect(world:dead()[1].why):matches "features has 2 numbers instead of 3"
  end)

  it("counts, and tells the same trouble once", function()
    local there = false
    local world, ask = house(function()
      if not there then return nil, "it is away", "limit" end
      return { scores = { 1, 2, 3 } }
    end)
    for _ = 1, 3 do ask(20) end
    world:advance "10m"
    ask(20)
    expect(warnings(world)):equals { test.like "decided by the fallback rule.*it is away" }
    expect(world:ask("house", "climate/1.0/count", {}).body):equals {
      model = 0, fallback = 4, why = "it is away", code = "limit" }
    there = true
    ask(20)
    there = false
    ask(20)
    expect(warnings(world)):has_length(2)
    world:advance "61m"
    ask(20)
    expect(warnings(world)):has_length(3)
    expect(world:ask("house", "climate/1.0/count", {}).body):has { model = 1, fallback = 6 }
  end)

  it("draws by the scores, alike in each run of a seed", function()
    local function drawn(temperature, seed)
      local world, counts = test.world { seed = seed }, { heat = 0, wait = 0, cool = 0 }
      world:model("thermostat", always(0, 1, 2))
      world:agent { name = "house", allow = { "infer=thermostat" }, source = source(
        ('actions = { "heat", "wait", "cool" }, sample = %g'):format(temperature)) }
      local order = {}
      for n = 1, 200 do
        local body = world:ask("house", "climate/1.0/ask", { celsius = 20, outside = 0 }).body
        counts[body.action], order[n] = counts[body.action] + 1, body.action
        if n % 50 == 0 then world:advance "1s" end -- so many calls are made in a second
      end
      return counts, table.concat(order, " ")
    end
    local counts, order = drawn(1, 5)
    expect(counts.heat):is_between(5, 35) -- of 200, softmax(0, 1, 2) is 18, 49 and 133
    expect(counts.cool):is_between(110, 155)
    local _, again = drawn(1, 5)
    expect(order == again):is_true()
    local _, other = drawn(1, 6)
    expect(order == other):is_false()
    expect(drawn(0.01, 5).cool):equals(200)
  end)

  it("decides once, also when its host dies meanwhile", function()
    local asked = 0
    local world = test.world()
    world:model("thermostat", function()
      asked = asked + 1
      return { scores = { 1, 2, asked } }
    end)
    world:agent { name = "house", allow = { "infer=thermostat" }, source = [[
      local decide = require "haggle.policy".new {
        model = "thermostat", actions = { "heat", "wait", "cool" },
        features = function() return { 1, 2 } end, fallback = function() return "none" end,
      }
      agent.on("climate/1.0/plan", function()
        local action, origin = decide {}
        agent.sleep "1h"
        state.done = { action, origin }
      end)
    ]] }
    world:send("house", "climate/1.0/plan", {})
    world:advance "1m"
    world:restart()
    world:advance "2h"
    expect(world:state("house").done):equals { "wait", "model" }
    expect(asked):equals(1)
    expect(world:state("house")["haggle.policy"].thermostat):has { model = 1, fallback = 0 }
  end)

  it("refuses options that make no policy", function()
    local function load_with(options)
      return function()
        test.world():agent { name = "x",
          source = 'require "haggle.policy".new {' .. options .. "}" }
      end
    end
    local rest = ', features = function() end, fallback = function() end, actions = { "a" }'
    expect(load_with('model = "m", colour = 1' .. rest)):raises "unknown option 'colour'"
    expect(load_with('model = 5' .. rest)):raises "'model' is a string, not a number"
    expect(load_with('model = "m", fallback = function() end, actions = { 1 }')):raises
      "'features' is missing"
    expect(load_with('model = "m", action = function() end' .. rest)):raises
      "give either 'actions' or 'action'"
    expect(load_with('model = "m", sample = 0' .. rest)):raises "'sample' is a temperature"
    expect(load_with('model = "m", within = "soon"' .. rest)):raises "soon"
  end)
end)
