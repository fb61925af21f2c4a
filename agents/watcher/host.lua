-- A watcher of prices that an API on this machine tells:
--   haggle run --config agents/watcher/host.lua
-- expects {"price": …} from http://localhost:8000/price.json, as this gives it:
--   echo '{"price": 99.5}' > price.json && python3 -m http.server 8000 --bind 127.0.0.1
return {
  listen = "127.0.0.1:0",
  agents = {
    { name = "watcher", script = "agent.lua", allow = { "net=localhost:8000" },
      config = { url = "http://localhost:8000/price.json", every = "5s" } },
  },
}
