-- haggle.market.model: a side's next price by a trained policy, stdlib/models/market.safetensors.
--
--   local market = require "haggle.market"
--   market.buy { service = "telemetry.load", ceiling = 4, strategy = "model" }
--   market.buy { service = "telemetry.rain", ceiling = 4,
--     strategy = { model = "market", fallback = "boulware", within = "20ms", delay = 0.01 } }
--
-- What it sees are the prices so far and the offers that remain, as parts of the ceiling (of a
-- buyer) or of what was asked (of a seller), so that money of any size looks alike. What it chooses
-- is to leave, to accept, or how far to go: to the other's price, or as near to it as the limit
-- lets it. stdlib/models/train/rules.py says the same in Python, and replay_spec.lua compares.
local policy = require "haggle.policy"
local strategies = require "haggle.market.strategies"

local model = {}

model.WIDTH = 18 -- of what it sees

local QUIT, ACCEPT = "quit", "accept"

model.actions = { QUIT, ACCEPT, 0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.75, 1.0 }

local function flag(condition)
  return condition and 1.0 or 0.0
end

-- `delay`: what an offer costs, as a part of the ceiling or of what was asked.
function model.features(position, delay)
  local selling = position.role == "seller"
  local unit = math.max(1, selling and position.own_first or position.limit)
  local sign = selling and 1 or -1
  local own, theirs, left, steps = position.own, position.theirs, position.left, position.steps
  local function worth(price) return sign * (price - position.limit) / unit end
  local gap = math.max(1, sign * (position.own_first - position.theirs_first))
  local seen = {
    flag(selling),
    worth(own), worth(theirs), worth(position.own_first), worth(position.theirs_first),
    sign * (own - theirs) / unit,
    sign * (position.own_before - own) / unit, sign * (theirs - position.theirs_before) / unit,
    sign * (position.own_first - own) / gap, sign * (theirs - position.theirs_first) / gap,
    left / 8, 1 / left, (steps - left) / 8, (steps - left + 1) / steps,
    flag(worth(theirs) >= 0), 1 / unit, flag(left == steps), 10.0 * delay,
  }
  for i, value in ipairs(seen) do seen[i] = math.max(-2.0, math.min(2.0, value)) end
  return seen
end

-- Accepting what is beyond the limit is nothing to choose.
function model.allowed(action, position)
  if action ~= ACCEPT then return true end
  if position.role == "seller" then return position.theirs >= position.limit end
  return position.theirs <= position.limit
end

-- The price that an action stands for; none: it leaves.
function model.price(action, position)
  if action == QUIT then return nil end
  if action == ACCEPT then return position.theirs end
  local own, theirs, limit = position.own, position.theirs, position.limit
  if position.role == "seller" then
    local target = math.min(own, math.max(limit, theirs))
    return own - math.floor((own - target) * action + 0.5)
  end
  local target = math.max(own, math.min(limit, theirs))
  return own + math.floor((target - own) * action + 0.5)
end

local OPTIONS = { model = true, fallback = true, within = true, delay = true }

-- A strategy that asks the model, and the rule `fallback` where that gives no answer:
--
--   model = "market"      as the host names it
--   fallback = "linear"   a name of haggle.market.strategies, or a function like those
--   within = "50ms"       how long it may take
--   delay = 0             what an offer costs, as a part of the ceiling or of what was asked
--
-- nil, why: an option is wrong.
function model.new(options)
  for name in pairs(options) do
    if not OPTIONS[name] then return nil, "strategy: unknown option '" .. tostring(name) .. "'" end
  end
  local delay = options.delay or 0
  if type(delay) ~= "number" or not (delay >= 0 and delay <= 1) then
    return nil, "strategy: 'delay' is a number from 0 to 1"
  end
  local fallback = options.fallback or "linear"
  local rule = type(fallback) == "function" and fallback or strategies[fallback]
  if not rule then
    return nil, "strategy: 'fallback' is a rule of market.strategies, or a function"
  end
  local decide = policy.new {
    model = options.model or "market", within = options.within, width = model.WIDTH,
    features = function(position) return model.features(position, delay) end,
    actions = model.actions, allowed = model.allowed,
    fallback = function() return "rule" end,
  }
  return function(position)
    local action, source = decide(position)
    if source == "fallback" then return rule(position) end
    return model.price(action, position)
  end
end

return model
