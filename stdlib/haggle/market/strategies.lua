-- haggle.market.strategies: rules by which a side of a negotiation finds its next price.
--
--   local market = require "haggle.market"
--   market.sell { service = "telemetry.load", asking = 5, floor = 3, strategy = "boulware", … }
--   local price = market.strategies.linear(position)
--
-- Each takes a position and gives a price; market.lua bounds it by the limit, and accepts the
-- other's price where that is as good. A position:
--
--   role                                 "buyer" or "seller"
--   limit                                ceiling or floor
--   own, own_before, own_first           own price: the last, the one before, the first (a seller's
--                                        is what it asks)
--   theirs, theirs_before, theirs_first  the same of the other's
--   left, steps                          offers that remain, of those after the first price
--   rounds                               bids so far
--
-- Prices are integers. `boulware`, `linear` and `conceder` are the time-dependent tactics of
-- Faratin, Sierra and Jennings (1998), with β = 1/4, 1 and 4; `tit_for_tat` is their absolute
-- behaviour-dependent one.
local strategies = {}

-- It splits the distance that remains by the offers that remain, and makes the last step in full.
function strategies.split(position)
  local own, theirs, left = position.own, position.theirs, position.left
  if position.role == "seller" then
    local target = math.min(own, math.max(position.limit, theirs))
    return own - (own - target + left - 1) // left
  end
  local target = math.max(own, math.min(position.limit, theirs))
  return own + (target - own + left - 1) // left
end

-- How much of the offers is spent with the next one: its last is 1.
local function spent(position)
  return (position.steps - position.left + 1) / position.steps
end

-- The first price, moved by this part of the way to the limit; rounded in its own favour.
local function towards_limit(position, part)
  local first, limit = position.own_first, position.limit
  if position.role == "seller" then return first - math.floor((first - limit) * part) end
  return first + math.floor((limit - first) * part)
end

-- Holds out, and gives in at the end.
function strategies.boulware(position)
  local t = spent(position)
  return towards_limit(position, t * t * t * t)
end

-- The same step each time, whatever the other does.
function strategies.linear(position)
  return towards_limit(position, spent(position))
end

-- Gives in early.
function strategies.conceder(position)
  return towards_limit(position, math.sqrt(math.sqrt(spent(position))))
end

-- Gives as much as the other gave last.
function strategies.tit_for_tat(position)
  if position.role == "seller" then
    return position.own - math.max(0, position.theirs - position.theirs_before)
  end
  return position.own + math.max(0, position.theirs_before - position.theirs)
end

-- Stays where it is until its last word.
function strategies.firm(position)
  return position.own
end

return strategies
