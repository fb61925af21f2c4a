-- Sells live readings of the machine it runs on, read at the moment of delivery. It offers only
-- what it has been granted to read: read=/proc/loadavg, read=/proc/meminfo, read=/proc/net/dev.
local market = require "haggle.market"
local readings = require "readings"

local config = agent.config
local PER_MINUTE = config.per_minute or 60 -- readings sold in a minute at most

agent.describe { name = "kiosk", version = 1, about = "Live readings of this machine" }

local sells_something = false

agent.on_start(function(reason)
  if reason == "created" then state.left, state.sold, state.earned = PER_MINUTE, 0, 0 end
  if not sells_something then log.warn "nothing to sell: grant it read=/proc/loadavg or another" end
end)

agent.every("refill", "1m", function() state.left = PER_MINUTE end)

local function sell(service, path, parse)
  if not agent.granted("read", path) then return end
  sells_something = true
  market.sell {
    service = service,
    asking = config.asking or 8,
    floor = config.floor or 4,
    attributes = { region = config.region },
    reserve = function()
      if state.left < 1 then return nil, "sold out until the next minute" end
      state.left = state.left - 1
      return true
    end,
    release = function() state.left = state.left + 1 end,
    deliver = function()
      local text, why = host.read(path)
      if not text then return nil, why end
      return parse(text)
    end,
    on_delivered = function(deal)
      state.sold, state.earned = state.sold + 1, state.earned + deal.price
    end,
  }
end

sell("telemetry.load", "/proc/loadavg", readings.load)
sell("telemetry.memory", "/proc/meminfo", readings.memory)
sell("telemetry.network", "/proc/net/dev", readings.network)
