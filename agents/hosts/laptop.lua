-- One laptop: it moves and sleeps, nobody dials it, and its disk and battery are small. It stays
-- linked with one host that is always there, which you name with its key, as that host prints it.
return {
  listen = "127.0.0.1:0",
  join = { "wss://haggle.example.org#did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK" },
  data = "laptop-data",
  durability = "relaxed 50ms", -- fewer writes; what is not yet written is not yet acknowledged
  journal = { size = "16MB", age = "7d" },
  hibernate = { after = "10s" },
  grace = "3s", -- it is shut in a hurry

  log = { file = "laptop.log", size = "1MB", keep = 2, agents = { collector = "warn" } },

  agents = {
    { name = "collector", script = "../collector/agent.lua",
      config = { budget = 50, ceiling = 6, every = "1m" },
      limits = { memory = "16MB", mailbox = 200 } },
    { name = "echo", script = "../echo/agent.lua" },
  },
}
