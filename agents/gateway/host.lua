-- A gateway to an API, and a customer: haggle run --config agents/gateway/host.lua
-- It expects an API on this machine that answers {"celsius": …}; its page says how to make one.
local API = "localhost:8000"

return {
  listen = "127.0.0.1:0",
  agents = {
    { name = "gateway", script = "agent.lua", allow = { "net=" .. API }, config = {
      endpoints = {
        { service = "weather.now", url = "http://" .. API .. "/weather.json", asking = 5,
          floor = 2, keep = "10s" },
      },
    } },
    { name = "collector", script = "../collector/agent.lua",
      config = { services = { "weather.now" }, ceiling = 4, opening = 1, every = "3s" } },
  },
}
