-- Its neighbour: buys what works of north, and what does not.
local COLLECTOR = "../../../agents/collector/agent.lua"

return {
  agents = {
    { name = "bob", script = COLLECTOR,
      config = { ceiling = 9, opening = 5, every = "1s", budget = 100000,
        services = { "telemetry.memory" } } },
    { name = "cyd", script = COLLECTOR,
      config = { ceiling = 9, opening = 6, every = "2s", budget = 100000,
        services = { "telemetry.broken" } } },
  },
}
