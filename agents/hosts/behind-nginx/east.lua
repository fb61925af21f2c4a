-- One of two hosts behind a reverse proxy, which speaks TLS with the world and WebSocket with us.
-- Hosts prove to each other who they are inside of that, so the proxy need not be trusted.
return {
  listen = "127.0.0.1:7001",              -- nginx alone reaches it
  url = { "wss://east.example.org" },     -- where others reach it
  data = "east-data",
  agents = {
    { name = "kiosk", script = "../../kiosk/agent.lua",
      allow = { "read=/proc/loadavg" }, config = { asking = 8, floor = 4, region = "east" } },
    { name = "echo", script = "../../echo/agent.lua" },
  },
}
