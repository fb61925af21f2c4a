-- Runs the examples of stdlib/README.md and of the modules' pages: each block marked
-- "-- example: NAME" as an agent, each marked "-- spec: …" as a spec. A block without a mark is a
-- failure: nobody would see it rot.
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

local function gather(text)
  for block in text:gmatch "```lua\n(.-)```" do
    local name = block:match "^%-%- example: ([%w_]+)\n"
    if name then
      examples[name] = block
    elseif block:find "^%-%- spec: " then
      specs[#specs + 1] = block
    else
      unmarked[#unmarked + 1] = block:match "[^\n]*"
    end
  end
end

gather(page)
for path in page:gmatch "%((haggle/[%w_]+%.md)%)" do gather(read(TREE .. "/stdlib/" .. path)) end

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

function does.archivist(world)
  run(world, "archivist", { "write=/srv/archive/*", "read=/srv/archive/*" })
  local kept = world:ask("archivist", "archive/1.0/keep", { text = "x" })
  expect(kept.body.as):matches "^/srv/archive/%x+%.txt$"
end

function does.forecaster(world)
  run(world, "forecaster", { "net=api.example.org:443", "secret=weather" })
  world:http(function(request)
    expect(request):has { url = "https://api.example.org/now?city=Graz" }
    expect(request.headers.authorization):equals "Bearer [secret weather]"
    return { json = { temp = 20.5 } }
  end)
  local reply = world:ask("forecaster", "forecast/1.0/request", { city = "Graz" })
  expect(reply.body):equals { celsius = 20.5 }
end

function does.broker(world)
  run(world, "broker", { "infer=risk" })
  world:model("risk", function(request)
    expect(request):equals { x = { 2.5, 12, 40 } }
    return { default = { 0.1 } }
  end)
  local reply = world:ask("broker", "credit/1.0/ask", { amount = 2500, months = 12, age = 40 })
  expect(reply.body):equals { granted = true }
end

function does.shop(world)
  run(world, "shop", { "net=shop.example.org:443" })
  world:http(function(request)
    expect(request.json):has { item = "tea" }
    return { status = 201, json = { order = "o-1" } }
  end)
  expect(world:ask("shop", "order/1.0/place", { item = "tea" }).body):equals { order = "o-1" }
end

function does.json_page(world)
  run(world, "json_page")
  local reply = world:ask("json_page", "weather/1.0/take", { text = '{"temp": 20.5}' })
  expect(reply.body.text):matches '^{"of":"did:key:.*","celsius":20.5}$'
  local _, why, code = world:ask("json_page", "weather/1.0/take", { text = "{" })
  expect { why, code }:equals { "JSON, line 1, column 1: the data ends too early", "truncated" }
end

function does.base64_page(world)
  run(world, "base64_page")
  expect(world:ask("base64_page", "coder/1.0/code", { text = "+//+" }).body.url):equals "-__-"
end

function does.crypto_secret(world)
  run(world, "crypto_secret", { "net=shop.example.org:443", "secret=shop" })
  world:http(function(request)
    expect(request.body):equals "item=tea"
    expect(request.headers["x-signature"]):matches "^%x+$"
    expect(#request.headers["x-signature"]):equals(64)
    return { status = 201 }
  end)
  local reply = world:ask("crypto_secret", "order/1.0/place", { item = "tea" })
  expect(reply.body):equals { status = 201 }
end

function does.crypto_page(world)
  run(world, "crypto_page")
  local body = world:ask("crypto_page", "notary/1.0/sign", { text = "yes" }).body
  body.text = "yes"
  expect(world:ask("crypto_page", "notary/1.0/check", body).body):equals { good = true }
  body.text = "no"
  expect(world:ask("crypto_page", "notary/1.0/check", body).body.code):equals "bad_signature"
end

function does.time_page(world)
  run(world, "time_page")
  local body = world:ask("time_page", "calendar/1.0/due", { from = "2026-02-28T10:00" }).body
  expect(body.text):equals "2026-03-28T09:00:00+01:00"
end

function does.stats_page(world)
  run(world, "stats_page")
  for ms = 1, 100 do world:ask("stats_page", "meter/1.0/took", { ms = ms }) end
  expect(world:ask("stats_page", "meter/1.0/took", { ms = 50 }).body.slow):is_between(94, 96)
end

function does.policy_page(world)
  run(world, "policy_page", { "infer=thermostat" })
  local function ask()
    return world:ask("policy_page", "climate/1.0/ask", { celsius = 18, outside = 3 }).body
  end
  expect(ask()):equals { action = "heat", by = "fallback" }
  world:model("thermostat", function() return { scores = { 1, 2, 3 } } end)
  expect(ask()):equals { action = "wait", by = "model" }
end

function does.limiter_page(world)
  run(world, "limiter_page")
  for _ = 1, 3 do expect(world:ask("limiter_page", "quotes/1.0/ask", {}).body.price):equals(5) end
  local _, _, code = world:ask("limiter_page", "quotes/1.0/ask", {})
  expect(code):equals "limit"
end

local SOURCE = [[
agent.on("quote/1.0/ask", function(message)
  state.asked = (state.asked or 0) + 1
  if state.asked == 1 and agent.config.slow then return end
  message:reply("quote", { celsius = state.asked })
end)]]

function does.cache_page(world)
  world:agent { name = "source", source = SOURCE }
  run(world, "cache_page")
  local function ask() return world:ask("cache_page", "proxy/1.0/ask", { city = "Graz" }).body end
  expect { ask(), ask() }:equals { { celsius = 1 }, { celsius = 1 } }
  world:advance "5m"
  expect(ask()):equals { celsius = 2 }
end

function does.retry_page(world)
  world:agent { name = "source", source = SOURCE, config = { slow = true } }
  run(world, "retry_page")
  expect(world:ask("retry_page", "patient/1.0/ask", {}).body):equals { celsius = 2 }
end

function does.schema_page(world)
  run(world, "schema_page")
  local function place(body) return world:ask("schema_page", "order/1.0/place", body) end
  expect(place({ item = "tea", count = 2 }).type):equals "order/1.0/placed"
  local none, why, code = place { item = "tea", count = 13 }
  expect { none == nil, why, code }:equals { true, "count: 13 is not at most 12", "invalid" }
end

local function says(world, answers)
  local at = 0
  world:model("small", function()
    at = at + 1
    local answer = answers[at]
    answer.usage = { prompt = 1, reused = 0, completion = 1 }
    return answer
  end)
end

function does.llm_page(world)
  run(world, "llm_page", { "infer=small" })
  says(world, { { text = '{"choice":"personal"}', finish = "stop" } })
  expect(world:ask("llm_page", "mail/1.0/sort", { text = "Dinner?" }).body.as):equals "personal"
end

function does.llm_tools_page(world)
  run(world, "llm_tools_page", { "infer=small" })
  says(world, {
    { text = "", finish = "tool_calls",
      tool_calls = { { id = "1", name = "remember", arguments = { note = "window seat" } } } },
    { text = "Noted.", finish = "stop" },
  })
  local reply = world:ask("llm_tools_page", "travel/1.0/ask", { text = "I like windows." })
  expect(reply.body.text):equals "Noted."
  expect(world:state("llm_tools_page").notes):equals { "window seat" }
end

function does.csv_page(world)
  run(world, "csv_page")
  local text = 'city,celsius\n"Graz, centre",20\n=Wien,10\n'
  expect(world:ask("csv_page", "sheet/1.0/add", { text = text }).body.text):equals
    "city,fahrenheit\r\n\"Graz, centre\",68.0\r\n'=Wien,50.0\r\n"
end

function does.template_page(world)
  run(world, "template_page")
  local body = { name = "Ada", orders = { { item = "tea", price = 5, late = true },
    { item = "salt", price = 2 } } }
  expect(world:ask("template_page", "clerk/1.0/letter", body).body.text):equals
    "Dear Ada,\n1. tea: 5 (late)\n2. salt: 2 (sent)\n"
end

function does.forecasts(world)
  run(world, "forecasts", { "http=open" })
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

function does.stubborn(world)
  world:file("/proc/loadavg", "0.50 1.00 2.00 1/2 3\n")
  run(world, "seller", { "read=/proc/loadavg" })
  run(world, "stubborn")
  world:advance "10s"
  expect(world:state("stubborn").paid):is_between(3, 4)
end

describe("stdlib", function()
  it("marks every block", function() expect(unmarked):equals {} end)

  it("has a check for every example, and an example for every check", function()
    for name in pairs(examples) do expect(does[name] and name):equals(name) end
    for name in pairs(does) do expect(examples[name] and name):equals(name) end
    expect(#specs):equals(3)
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
