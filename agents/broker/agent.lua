-- Buys readings where they are cheapest and most reliable, and resells them at a margin to those
-- who would rather ask one dealer than many. It keeps a small stock of fresh readings: what it
-- sells, it has already.
local market = require "haggle.market"
local haggle = require "haggle"

local config = agent.config
local SERVICES = config.services or { "telemetry.load" }
local STOCK = config.stock or 3 -- readings of each service in hand, at most
local FRESH = haggle.duration(config.fresh or "30s") -- older ones are thrown away
local MARGIN = config.margin or 2
local CEILING = config.ceiling or 10 -- the most that it pays
local PREFIX = config.prefix or "dealt."

agent.describe { name = "broker", version = 1, about = "Buys readings and resells them" }

agent.protocol {
  name = "broker", version = "1.0",
  messages = {
    compare = { body = { service = "string" }, replies = { "sellers" } },
    sellers = { body = { sellers = { type = "list", of = "map" } } },
  },
}

agent.on_start(function(reason)
  if reason ~= "created" then return end
  state.stock, state.sellers, state.earned, state.spent, state.wasted = {}, {}, 0, 0, 0
  for _, service in ipairs(SERVICES) do state.stock[service] = {} end
end)

-- What is known of a seller, from deals with it.
local function account(did)
  if not state.sellers[did] then state.sellers[did] = { deals = 0, breaches = 0, paid = 0 } end
  return state.sellers[did]
end

-- A seller that breaks every other deal is as dear as one that asks twice as much.
local function worth(price, seller)
  if not seller then return price + 0.0 end
  return price * (seller.deals + 1) / (seller.deals - seller.breaches + 1)
end

local function cost(offer)
  return worth(offer.price, state.sellers[offer.agent])
end

local function best_first(a, b)
  return cost(a) < cost(b)
end

-- Offers, the best first: { agent =, asking =, cost = (breaches counted in) }.
local function compare(service)
  local list = haggle.array {}
  local offers = agent.find {
    service = service, protocol = market.protocol, where = { price = { at_least = 0 } }, limit = 50,
  } or {}
  table.sort(offers, best_first)
  for _, offer in ipairs(offers) do
    if offer.agent ~= agent.id then
      local known = state.sellers[offer.agent]
      list[#list + 1] = {
        agent = offer.agent, asking = offer.price, cost = cost(offer),
        deals = known and known.deals or 0, breaches = known and known.breaches or 0,
      }
    end
  end
  return list
end

agent.on("broker/1.0/compare", function(message)
  message:reply("sellers", { sellers = compare(message.body.service) })
end)

local function throw_away_old(service)
  local stock = state.stock[service]
  for i = #stock, 1, -1 do
    if haggle.now() - stock[i].at > FRESH then
      state.wasted = state.wasted + stock[i].cost
      table.remove(stock, i)
    end
  end
  return stock
end

-- The price it pays falls as its stock grows; a full one buys nothing.
local function ceiling(service)
  return function()
    local stock = throw_away_old(service)
    if #stock >= STOCK then return nil end
    local best = compare(service)[1]
    return best and math.min(CEILING, math.ceil(best.asking))
  end
end

local function buy(service)
  market.buy {
    service = service,
    every = config.every or "2s",
    pause = config.pause or "10s",
    ceiling = ceiling(service),
    where = { price = { at_least = 0 } },
    order = best_first,
    on_result = function(deal, result)
      local seller, stock = account(deal.counterparty), state.stock[service]
      seller.deals, seller.paid = seller.deals + 1, seller.paid + deal.price
      state.spent = state.spent + deal.price
      stock[#stock + 1] = { at = haggle.now(), cost = deal.price, data = result }
    end,
    on_breach = function(deal)
      local seller = account(deal.counterparty)
      seller.deals, seller.breaches = seller.deals + 1, seller.breaches + 1
    end,
  }
end

-- The cheapest reading in hand that this deal pays for goes to it.
local function take(service, deal)
  local stock, chosen = throw_away_old(service), nil
  for i, reading in ipairs(stock) do
    if reading.cost + MARGIN <= deal.price and
      (not chosen or reading.cost < stock[chosen].cost) then
      chosen = i
    end
  end
  if not chosen then return nil end
  local reading = stock[chosen]
  local taken = { at = reading.at, cost = reading.cost, data = reading.data }
  table.remove(stock, chosen)
  return taken
end

local function resell(service)
  local sold = PREFIX .. service
  market.sell {
    service = sold,
    asking = CEILING + 2 * MARGIN,
    floor = MARGIN + 1,
    attributes = { dealer = true },
    reserve = function(deal)
      local reading = take(service, deal)
      if not reading then return nil, "nothing in hand at that price" end
      if not state.reserved then state.reserved = {} end
      state.reserved[deal.id] = reading
      return true
    end,
    release = function(deal)
      local stock = state.stock[service]
      stock[#stock + 1] = state.reserved[deal.id]
      state.reserved[deal.id] = nil
    end,
    deliver = function(deal)
      local reading = state.reserved[deal.id]
      return { data = reading.data, age = haggle.now() - reading.at }
    end,
    on_delivered = function(deal)
      state.earned = state.earned + deal.price
      log.info("resold", { service = service, cost = state.reserved[deal.id].cost,
        price = deal.price })
      state.reserved[deal.id] = nil
    end,
    on_breach = function(deal)
      if state.reserved then state.reserved[deal.id] = nil end
    end,
  }
end

for _, service in ipairs(SERVICES) do
  buy(service)
  resell(service)
end
