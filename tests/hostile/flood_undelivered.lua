-- Tries: to live on its own failures: what was not delivered is sent again, twice.
-- Ends: harmless
-- Limits: messages = 200
agent.on("hostile/1.0/go", function(message)
  agent.send("witness", "witness/1.0/unknown", {})
  message:reply("done", {})
end)
agent.on_undelivered(function(message)
  for _ = 1, 2 do agent.send("witness", message.type, message.body) end
end)
