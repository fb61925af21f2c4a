-- Has state, timers and a schedule, and does next to nothing.
agent.describe { name = "idler", version = 3, about = "Waits for tomorrow" }

agent.on_start(function(reason)
  if reason ~= "created" then return end
  state.count, state.list = 1, { "one", "two", "three" }
  state.deep = { a = { b = { c = { d = "the bottom" } } } }
  agent.after("remind", "1d", { what = "of it" })
end)
agent.on_timer("remind", function() end)
agent.every("sweep", "12h", function() end)
agent.on("idle/1.0/count", function() state.count = state.count + 1 end)
