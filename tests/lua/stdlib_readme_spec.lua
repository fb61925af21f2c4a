-- Runs the examples of stdlib/README.md: each block marked "-- example: NAME" as an agent, each
-- marked "-- spec: …" as a spec. A block without a mark is a failure: nobody would see it rot.
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local TREE = test.folder .. "/../.."

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local page = read(TREE .. "/stdlib/README.md")
local examples, specs, unmarked = {}, {}, {}
for block in page:gmatch "```lua\n(.-)```" do
  local name = block:match "^%-%- example: ([%w_]+)\n"
  if name then
    examples[name] = block
  elseif block:find "^%-%- spec: " then
    specs[#specs + 1] = block
  else
    unmarked[#unmarked + 1] = block:match "[^\n]*"
  end
end

local function run(world, name, allow)
  world:agent { name = name, source = examples[name], allow = allow }
end

-- What each example does, as its text says.
local does = {}

function does.first(world)
  run(world, "first")
  expect(world:ask("first", "echo/1.0/say", { text = "x" }).body):equals { text = "x" }
end

function does.rules(world)
  run(world, "rules")
  local reply = world:ask("rules", "greet/1.0/hello", { name = "Ada" })
  expect(reply.body):equals { text = "hello, Ada", at = world:now() }
  expect(world:state("rules").greeted):equals(1)
end

function does.weather(world)
  run(world, "weather")
  local definition = load("return " .. examples.weather:match "agent%.protocol (%b{})")()
  local client = world:peer("client", { protocols = { definition } })
  client:send("weather", "weather/1.0/request", { city = "Graz", days = 2 })
  expect(client:expect("weather/1.0/forecast").body.celsius):equals { 19.5, 18.5 }
  local _, why = client:send("weather", "weather/1.0/request", { city = 5 })
  expect(why):matches "body.city"
  expect(world:find("service=weather price<=4")[1]):has { region = "at" }
end

function does.clerk()
  local world = test.world { at = "2026-03-27T12:00:00Z" } -- a Friday; on Sunday summer time begins
  run(world, "clerk")
  world:advance "66h"
  expect(world:now() // 3600000 % 24):equals(6)
  expect(world:state("clerk").reports):is_nil()
  world:advance "1h" -- nine in Vienna is seven in UTC by now
  expect(world:state "clerk"):equals { reports = 1, sweeps = 67 * 12 }
end

function does.auction(world)
  run(world, "auction")
  local peer = world:peer("house", { handles = { "auction/1.0/closed" } })
  peer:send("auction", "auction/1.0/open", {})
  world:run()
  peer:send("auction", "auction/1.0/bid", { price = 7 })
  world:advance "59s"
  expect(peer:take "auction/1.0/closed"):is_nil()
  expect(peer:expect("auction/1.0/closed", "2s").body.price):equals(7)
  expect(world:state("auction").lots):equals {}
end

function does.shopper(world)
  world:agent { name = "weather", source = [[
    agent.offer { service = "weather", price = 3 }
    agent.on("weather/1.0/request", function(message)
      message:reply("forecast", { celsius = { 11.5 } })
    end)]] }
  world:agent { name = "slow", source = [[
    agent.offer { service = "weather", price = 4 }
    agent.on("weather/1.0/request", function() agent.sleep "1m" end)]] }
  world:agent { name = "dear", source = 'agent.offer { service = "weather", price = 5 }' }
  run(world, "shopper")
  world:run()
  expect(world:ask("shopper", "shopper/1.0/compare").body.answers):equals { 11.5, "timeout" }
end

function does.courier(world)
  world:agent { name = "door", source = [[
    agent.on("courier/1.0/drop", function(message)
      agent.sleep "5m"
      message:reply("dropped", {})
    end)]] }
  run(world, "courier")
  local peer = world:peer("sender", { handles = { "courier/1.0/carried" } })
  peer:send("courier", "courier/1.0/carry", { stops = { "door", "nowhere" } })
  for _ = 1, 20 do
    world:advance "2m"
    world:restart()
  end
  local body = peer:expect("courier/1.0/carried").body
  expect(body.stops):equals { "done", "undeliverable" }
  expect(body.number):equals(1)
end

function does.watcher(world)
  run(world, "watcher")
  world:advance "150m"
  world:restart()
  world:advance "100m"
  expect(world:state("watcher").minutes):is_between(249, 250)
end

function does.guests(world)
  run(world, "guests")
  world:ask("guests", "guests/1.0/arrive", { name = "Zoe" })
  expect(world:ask("guests", "guests/1.0/arrive", { name = "Ada" }).body):equals {
    first = "Ada", count = 2 }
  world:ask("guests", "guests/1.0/leave", { name = "Zoe" })
  local guests = world:state("guests").guests
  expect(#guests):equals(1)
  expect(guests[1].name):equals "Ada"
end

function does.thermometer(world)
  run(world, "thermometer", { "read=/proc/loadavg" })
  local _, _, code = world:ask("thermometer", "load/1.0/read")
  expect(code):equals "not_found"
  world:file("/proc/loadavg", "0.83 1.81 1.54 3/93 16914\n")
  expect(world:ask("thermometer", "load/1.0/read").body):equals { one = 0.83 }
end

local function trade(world)
  world:file("/proc/loadavg", "0.83 1.81 1.54 3/93 16914\n")
  run(world, "seller", { "read=/proc/loadavg" })
  run(world, "buyer")
  world:advance "3s"
  expect(world:deals("seller")[1]):has { status = "delivered", price = 3 }
  expect(world:state("buyer").last):equals { price = 3, load = "0.83 1.81 1.54 3/93 16914\n" }
end
does.seller, does.buyer = trade, trade

describe("stdlib/README.md", function()
  it("marks every block", function() expect(unmarked):equals {} end)

  it("has a check for every example, and an example for every check", function()
    for name in pairs(examples) do expect(does[name] and name):equals(name) end
    for name in pairs(does) do expect(examples[name] and name):equals(name) end
    expect(#specs):equals(1)
  end)

  for name, check in pairs(does) do
    it("shows a " .. name .. " that works", function()
      local world = test.world()
      check(world)
      for _, line in ipairs(world:log()) do
        if line.level == "error" then error(line.text) end
      end
      expect(world:dead()):equals {}
    end)
  end
end)

-- The specs of the page add their own tests.
for _, block in ipairs(specs) do assert(load(block, "=stdlib/README.md"))() end
