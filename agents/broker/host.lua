-- A broker between two kiosks and a collector: haggle run --config agents/broker/host.lua
local function kiosk(name, asking, floor)
  return {
    name = name, script = "../kiosk/agent.lua", allow = { "read=/proc/loadavg" },
    config = { asking = asking, floor = floor, per_minute = 600 },
  }
end

return {
  listen = "127.0.0.1:0",
  agents = {
    kiosk("harbour", 8, 4),
    kiosk("mill", 6, 5),
    { name = "broker", script = "agent.lua",
      config = { services = { "telemetry.load" }, margin = 2, stock = 3 } },
    { name = "collector", script = "../collector/agent.lua",
      config = { services = { "dealt.telemetry.load" }, ceiling = 14, opening = 4, every = "3s" } },
  },
}
