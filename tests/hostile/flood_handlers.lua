-- Tries: to leave handlers waiting by the thousand.
-- Ends: limit: handlers are waiting
-- Limits: handlers = 20
agent.on("hostile/1.0/go", function()
  for _ = 1, 40 do agent.send(agent.name, "hostile/1.0/wait", {}) end
  agent.sleep "100ms"
  error("40 handlers are waiting")
end)
agent.on("hostile/1.0/wait", function() agent.sleep "1h" end)
