-- The second of the two hosts of `haggle demo`: another seller, and two more buyers. Data folder,
-- port and peers are given as options.
local function readings(asking, floor)
  return {
    script = "../kiosk/agent.lua",
    allow = { "read=/proc/loadavg", "read=/proc/meminfo", "read=/proc/net/dev" },
    config = { asking = asking, floor = floor, per_minute = 600, region = "south" },
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
    named("mill", readings(8, 4)),
    named("cyd", buyer(8, 4, "4s", "north")),
    named("dan", buyer(7, 2, "5s")),
  },
}
