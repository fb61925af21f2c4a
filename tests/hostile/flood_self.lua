-- Tries: to breed: each message to itself makes two more.
-- Ends: harmless
-- Limits: messages = 200, mailbox = 1000
agent.on("hostile/1.0/go", function(message)
  agent.send(agent.name, "hostile/1.0/breed", {})
  message:reply("done", {})
end)
agent.on("hostile/1.0/breed", function()
  agent.send(agent.name, "hostile/1.0/breed", {})
  agent.send(agent.name, "hostile/1.0/breed", {})
end)
