-- Buys goods of a shop until its purse is empty, and tells what it paid.
local market = require "haggle.market"

local config = agent.config
local PURSE = config.purse or 200

agent.describe { name = "customer", version = 1, about = "Buys in shops" }

agent.on_start(function(reason)
  if reason == "created" then state.purse, state.bag = PURSE, {} end
end)

for _, wish in ipairs(config.wishes or { { good = "apples", worth = 10 } }) do
  market.buy {
    service = "goods." .. wish.good,
    opening = math.max(1, wish.worth // 3),
    every = config.every or "5s",
    ceiling = function() return math.min(wish.worth, state.purse) end,
    reserve = function(deal)
      if state.purse < deal.price then return nil, "the purse is empty" end
      state.purse = state.purse - deal.price
      return true
    end,
    release = function(deal) state.purse = state.purse + deal.price end,
    on_result = function(deal)
      state.bag[wish.good] = (state.bag[wish.good] or 0) + 1
      log.info("bought", { good = wish.good, price = deal.price, purse = state.purse })
    end,
  }
end
