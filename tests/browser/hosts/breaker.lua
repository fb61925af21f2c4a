-- Raises when it is told to, waits, and logs what it is told.
agent.describe { name = "breaker", version = 1, about = "Raises when it is told to" }

agent.on("break/1.0/now", function(message)
  error("told to break: " .. message.body.why)
end)
agent.on("break/1.0/wait", function() agent.sleep("1h") end)
agent.on("break/1.0/log", function(message)
  log[message.body.level or "info"](message.body.text, { note = message.body.note })
end)
