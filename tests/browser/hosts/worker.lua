-- One of many: says a word to another one now and then, each at times of its own.
agent.describe { name = "worker", version = 1, about = "One of many" }

local PERIOD_MS, OF = 20000, agent.config.of or 2000
local number = tonumber(agent.name:match "%d+$")

agent.on_start(function(reason)
  if reason == "created" then agent.after("word", number * 7919 % PERIOD_MS) end
end)
agent.on_timer("word", function()
  agent.send("worker-" .. (number * 7919 % OF + 1), "crowd/1.0/word", { n = number })
  agent.after("word", PERIOD_MS)
end)
agent.on("crowd/1.0/word", function() end)
