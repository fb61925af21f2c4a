-- A watcher of prices: haggle run --config agents/watcher/host.lua
-- It expects an API on this machine that answers {"price": …}; its page says how to make one.
local API = "localhost:8000"

return {
  listen = "127.0.0.1:0",
  agents = {
    { name = "watcher", script = "agent.lua", allow = { "net=" .. API },
      config = { url = "http://" .. API .. "/price.json", every = "5s" } },
  },
}
