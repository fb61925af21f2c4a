-- The market's rules as the trainer has them, against the market itself: replay.txt holds
-- negotiations of rules.py, which real agents repeat here, offer by offer.
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local TOGETHER = 16 -- negotiations in a world: offers of one agent

-- What is between the two: the strategies, and the choice of replay.py's `scattered`.
local STRATEGY = [[
local market = require "haggle.market"
local model = require "haggle.market.model"

local function single(value)
  return (string.unpack("<f", string.pack("<f", value)))
end

local function scattered(delay)
  return function(position)
    local sum, found, best = 0.0, nil, -2
    for i, value in ipairs(model.features(position, delay)) do
      sum = sum + math.abs(single(value)) * i
    end
    local mark = math.floor(sum * 65536)
    for i, action in ipairs(model.actions) do
      local score = mark * (7 * i + 3) % 101
      if action == "quit" then score = mark % 13 == 0 and 101 or -1 end
      if score > best and model.allowed(action, position) then found, best = action, score end
    end
    return model.price(found, position)
  end
end

local function strategy(name, delay)
  return name == "model" and scattered(delay) or market.strategies[name]
end
]]

local SELLER = STRATEGY .. [[
for _, each in ipairs(agent.config) do
  market.sell {
    service = each.service, asking = each.asking, floor = each.floor,
    patience = each.seller_patience, concede = strategy(each.seller, each.delay),
    deliver = function() return {} end,
  }
end
]]

local BUYER = STRATEGY .. [[
for _, each in ipairs(agent.config) do
  market.buy {
    service = each.service, ceiling = each.ceiling, opening = each.opening, every = "1h",
    patience = each.buyer_patience, concede = strategy(each.buyer, each.delay),
  }
end
]]

local FIELDS = { "ceiling", "floor", "asking", "opening", "buyer_patience", "seller_patience",
  "delay", "buyer", "seller" }

local function read_cases()
  local cases = {}
  for line in io.lines(test.folder .. "/replay.txt") do
    local case, words = {}, {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    for i, field in ipairs(FIELDS) do case[field] = tonumber(words[i]) or words[i] end
    if case.opening < 0 then case.opening = nil end
    case.service, case.delay = "case." .. #cases + 1, case.delay + 0.0
    case.said = table.concat(words, " ", #FIELDS + 1)
    cases[#cases + 1] = case
  end
  return cases
end

-- What was said of each service, written as in replay.txt.
local function listen(world)
  local services, said = {}, {}
  for _, message in ipairs(world:messages()) do
    local kind, price = message.type:match "^market/1.0/(.*)", message.body.price
    local service = services[message.thid] or message.body.service
    local words = said[service] or {}
    services[message.thid], said[service] = service, words
    if kind == "bid" then words[#words + 1] = "b" .. price end
    if kind == "counter" then words[#words + 1] = "c" .. price end
    if kind == "accept" then words[#words + 1] = "a" .. message.from:sub(1, 1) .. price end
    if kind == "decline" then words[#words + 1] = "d" .. message.from:sub(1, 1) end
  end
  return said
end

describe("the trainer's rules", function()
  local cases = read_cases()
  for first = 1, #cases, TOGETHER do
    local part = table.move(cases, first, math.min(first + TOGETHER - 1, #cases), 1, {})
    it(("negotiate as the market does (from line %d)"):format(first), function()
      local world = test.world()
      world:agent { name = "seller", source = SELLER, config = part }
      world:agent { name = "buyer", source = BUYER, config = part }
      world:advance "61m"
      local said = listen(world)
      for i, case in ipairs(part) do
        local line = first + i - 1
        expect { line, table.concat(said[case.service], " ") }:equals { line, case.said }
      end
    end)
  end
end)
