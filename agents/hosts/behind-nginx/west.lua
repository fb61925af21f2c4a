-- The other one: it buys what east sells. It joins east through the proxy, by its name and its key,
-- which east prints when it starts (or: haggle keys show --data east-data).
return {
  listen = "127.0.0.1:7002",
  url = { "wss://west.example.org" },
  join = { "wss://east.example.org#did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK" },
  data = "west-data",
  agents = {
    { name = "collector", script = "../../collector/agent.lua",
      config = { services = { "telemetry.load" }, where = { region = "east" }, every = "2s" } },
  },
}
