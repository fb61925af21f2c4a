-- Sells readings that it does not have.
local market = require "haggle.market"

agent.describe { name = "faulty", version = 1, about = "Sells what it cannot deliver" }

market.sell {
  service = "telemetry.broken", asking = 6, floor = 4,
  deliver = function() return nil, "the sensor does not answer" end,
}
