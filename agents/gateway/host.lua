-- A gateway to an API on this machine, and a customer: haggle run --config agents/gateway/host.lua
-- expects {"celsius": …} from http://localhost:8000/weather.json, as this gives it:
--   echo '{"celsius": 21}' > weather.json && python3 -m http.server 8000 --bind 127.0.0.1
return {
  listen = "127.0.0.1:0",
  agents = {
    { name = "gateway", script = "agent.lua", allow = { "net=localhost:8000" }, config = {
      endpoints = {
        { service = "weather.now", url = "http://localhost:8000/weather.json",
          asking = 5, floor = 2, keep = "10s" },
      },
    } },
    { name = "collector", script = "../collector/agent.lua",
      config = { services = { "weather.now" }, ceiling = 4, opening = 1, every = "3s" } },
  },
}
