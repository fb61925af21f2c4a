-- Buys readings of other machines and keeps the newest of each seller, within a budget that is
-- filled up every hour.
local market = require "haggle.market"
local haggle = require "haggle"

local config = agent.config
local BUDGET = config.budget or 1000 -- to be spent in an hour at most
local CEILING = config.ceiling or 7
local SERVICES = config.services or { "telemetry.load", "telemetry.memory", "telemetry.network" }

agent.describe { name = "collector", version = 1, about = "Collects readings within a budget" }

agent.on_start(function(reason)
  if reason == "created" then
    state.left, state.spent, state.bought, state.readings = BUDGET, 0, 0, {}
  end
end)

agent.every("refill", "1h", function() state.left = BUDGET end)

for _, service in ipairs(SERVICES) do
  market.buy {
    service = service,
    where = config.where, -- which sellers, as in agent.find
    opening = config.opening or 3,
    every = config.every or "2s",
    strategy = config.strategy, -- of haggle.market: "model" needs infer=market
    ceiling = function() return math.min(CEILING, state.left) end,
    reserve = function(deal)
      if state.left < deal.price then return nil, "the budget is spent" end
      state.left = state.left - deal.price
      return true
    end,
    release = function(deal) state.left = state.left + deal.price end,
    on_result = function(deal, result)
      state.spent, state.bought = state.spent + deal.price, state.bought + 1
      if not state.readings[service] then state.readings[service] = {} end
      state.readings[service][deal.counterparty] = {
        at = haggle.now(), price = deal.price, data = result,
      }
      log.info("bought", { service = service, price = deal.price, rounds = deal.rounds })
    end,
    on_breach = function(deal, why)
      log.warn("not delivered", { service = service, seller = deal.counterparty, why = why })
    end,
  }
end
