-- haggle.market.prices: what a side of a negotiation says next. A part of haggle.market; a `talk`
-- is a negotiation as market.lua keeps it in `state`.
local strategies = require "haggle.market.strategies"

local prices = {}

-- What a talk begins with: own first price, the other's (nil before it has said one), the limit,
-- and how many offers may follow.
function prices.open(talk, first, theirs, limit, steps)
  talk.price, talk.price_before, talk.price_first = first, first, first
  talk.theirs, talk.theirs_first = theirs, theirs
  talk.limit, talk.left, talk.steps = limit, steps, steps
  return talk
end

-- Notes what the other side says: a strategy sees where it came from.
function prices.hear(talk, theirs)
  talk.theirs_first = talk.theirs_first or theirs
  talk.theirs_before, talk.theirs = talk.theirs or theirs, theirs
end

-- Notes an offer of one's own.
function prices.offered(talk, amount)
  talk.price_before, talk.price, talk.left = talk.price, amount, talk.left - 1
end

-- What a strategy is given (haggle.market.strategies).
local function position_of(talk)
  return {
    role = talk.role, limit = talk.limit, left = talk.left, steps = talk.steps,
    rounds = talk.rounds,
    own = talk.price, own_before = talk.price_before, own_first = talk.price_first,
    theirs = talk.theirs, theirs_before = talk.theirs_before, theirs_first = talk.theirs_first,
  }
end

-- Never beyond the limit, whatever a function of the script's own says. Or nil, why: it leaves. A
-- strategy may wait, and the talk be over afterwards.
function prices.next(talk, concede)
  local position = position_of(talk)
  if position.left == 0 then return position.limit end
  local proposed, why = concede(position)
  if proposed == nil then return nil, why or "no price is worth waiting for" end
  proposed = math.tointeger(proposed) or error("concede: a price is an integer")
  if position.role == "seller" then return math.max(proposed, position.limit) end
  return math.max(0, math.min(proposed, position.limit))
end

function prices.good_enough(role, theirs, wanted)
  if role == "seller" then return theirs >= wanted end
  return theirs <= wanted
end

-- A function from a position to the next price: `concede`, or what `strategy` names; or nil, why.
function prices.strategy(concede, named)
  if concede and named then return nil, "give either 'concede' or 'strategy'" end
  if concede then return concede end
  local wanted = named or "split"
  if strategies[wanted] then return strategies[wanted] end
  if wanted == "model" then wanted = {} end
  if type(wanted) ~= "table" then
    return nil, "'strategy' is the name of one of market.strategies, \"model\", or a table for it"
  end
  return require "haggle.market.model".new(wanted)
end

return prices
