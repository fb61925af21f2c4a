-- The host that most tests look at: a seller, a buyer that asks a model, and agents that are asked,
-- that fail, that wait, and that mean no good.
local AGENTS = "../../../agents/"

return {
  models = { market = "std/market.safetensors" },
  agents = {
    { name = "harbour", script = AGENTS .. "kiosk/agent.lua",
      allow = { "read=/proc/loadavg", "read=/proc/meminfo" },
      config = { asking = 9, floor = 5, per_minute = 600, region = "north" } },
    { name = "ann", script = AGENTS .. "collector/agent.lua", allow = { "infer=market" },
      config = { strategy = "model", ceiling = 8, opening = 3, every = "1s", budget = 100000,
        services = { "telemetry.load" } } },
    { name = "faulty", script = "faulty.lua" },
    { name = "echo", script = AGENTS .. "echo/agent.lua" },
    { name = "breaker", script = "breaker.lua" },
    { name = "idler", script = "idler.lua" },
    { name = "hostile", script = "hostile.lua" },
  },
}
