-- Sells goods out of a stock and haggles over each piece: dear while little is left, yielding while
-- the shelves are full. What is sold is set aside in the transaction that signs the deal.
local market = require "haggle.market"
local haggle = require "haggle"

local GOODS = agent.config.goods or {
  { name = "apples", asking = 12, floor = 7, stock = 40 },
  { name = "honey", asking = 60, floor = 45, stock = 6 },
}
local RESTOCK = agent.config.restock or "1h"

agent.describe { name = "shop", version = 1, about = "Goods out of a stock, prices by haggling" }

agent.protocol {
  name = "shop", version = "1.0",
  messages = {
    catalogue = { body = {}, replies = { "goods" } },
    goods = { body = { goods = { type = "list", of = "map" } } },
  },
}

agent.on_start(function()
  if not state.shelves then state.shelves, state.earned, state.sold = {}, 0, 0 end
  for _, good in ipairs(GOODS) do
    if not state.shelves[good.name] then state.shelves[good.name] = { left = good.stock } end
  end
end)

agent.every("restock", RESTOCK, function()
  for _, good in ipairs(GOODS) do state.shelves[good.name].left = good.stock end
end)

-- From 0, sold out, to 1, as after a delivery.
local function fullness(good)
  return state.shelves[good.name].left / good.stock
end

-- The usual step towards the buyer, shortened while little is left: who has few pieces can wait.
local function concede(good)
  return function(position)
    local usual = market.split(position)
    local step = math.floor((position.own - usual) * fullness(good))
    return math.max(position.limit, position.own - math.max(step, 1))
  end
end

for _, good in ipairs(GOODS) do
  market.sell {
    service = "goods." .. good.name,
    asking = good.asking,
    floor = good.floor,
    attributes = { good = good.name, place = agent.config.place },
    patience = 8,
    concede = concede(good),
    reserve = function()
      local shelf = state.shelves[good.name]
      if shelf.left < 1 then return nil, "no " .. good.name .. " left" end
      shelf.left = shelf.left - 1
      return true
    end,
    release = function()
      local shelf = state.shelves[good.name]
      shelf.left = math.min(shelf.left + 1, good.stock)
    end,
    deliver = function(deal)
      return { good = good.name, parcel = deal.id, packed = haggle.now() }
    end,
    on_delivered = function(deal)
      state.sold, state.earned = state.sold + 1, state.earned + deal.price
      log.info("sold", { good = good.name, price = deal.price, rounds = deal.rounds,
        left = state.shelves[good.name].left })
    end,
  }
end

agent.on("shop/1.0/catalogue", function(message)
  local goods = haggle.array {}
  for i, good in ipairs(GOODS) do
    goods[i] = { name = good.name, asking = good.asking, left = state.shelves[good.name].left }
  end
  message:reply("goods", { goods = goods })
end)
