-- A server with fifty agents. Those that are alike are one entry with a count; what they may use is
-- bounded, so that no one of them takes the machine from the others; a group says what happens to
-- the rest when one fails. Run it as a service: haggle service install --config server.lua
local small = {
  memory = "8MB", state = "16MB", stretch = "50ms", mailbox = 500, messages = 200, log_lines = 50,
}

return {
  listen = ":7001",
  url = { "ws://haggle.example.org:7001" }, -- where others reach it
  data = "server-data",
  journal = { size = "1GB", age = "30d" },
  disk_reserve = "1GB",
  hibernate = { after = "60s", above = "512MB" },
  grace = "30s",

  log = { level = "info", agents = { collector = "warn" } }, -- collector-1 to collector-20

  groups = {
    -- One seller that fails begins again by itself; ten failures in ten minutes park them all.
    sellers = { strategy = "one_for_one", restarts = 10, within = "10m" },
    buyers = { strategy = "one_for_one" },
  },

  agents = {
    { name = "kiosk", script = "../kiosk/agent.lua", count = 20, group = "sellers", limits = small,
      allow = { "read=/proc/loadavg", "read=/proc/meminfo" },
      config = { asking = 9, floor = 5, region = "at" },
      restart = { on_failure = "restart", restarts = 5, within = "1m",
                  delay = "1s", delay_max = "1m" } },

    { name = "collector", script = "../collector/agent.lua", count = 20, group = "buyers",
      limits = small, config = { budget = 500, ceiling = 7, every = "30s" } },

    { name = "echo", script = "../echo/agent.lua", count = 9, limits = small },

    -- One of them has more room.
    { name = "archive", script = "../collector/agent.lua", group = "buyers",
      limits = { memory = "64MB", state = "1GB" },
      config = { budget = 5000, ceiling = 8, every = "10s" },
      restart = { on_failure = "park" } },
  },
}
