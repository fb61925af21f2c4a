-- The first of the two hosts of `haggle demo`: a seller and two buyers. Data folder, port and
-- peers are given as options.
local function readings(asking, floor)
  return {
    script = "../kiosk/agent.lua",
    allow = { "read=/proc/loadavg", "read=/proc/meminfo", "read=/proc/net/dev" },
    config = { asking = asking, floor = floor, per_minute = 600, region = "north" },
  }
end

-- `region`: whose readings; without one, the cheapest.
local function buyer(ceiling, opening, every, region)
  return {
    script = "../collector/agent.lua",
    allow = { "infer=market" },
    config = {
      strategy = "model",
      ceiling = ceiling, opening = opening, every = every, budget = 100000,
      where = region and { region = region },
    },
  }
end

local function named(name, agent)
  agent.name = name
  return agent
end

return {
  models = { market = "std/market.safetensors" },
  agents = {
    named("harbour", readings(9, 5)),
    named("ann", buyer(7, 3, "2s")),
    named("bob", buyer(6, 2, "3s", "north")),
  },
}
