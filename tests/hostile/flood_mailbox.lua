-- Tries: to fill another agent's mailbox with large messages.
-- Ends: harmless
-- Limits: stretch = "1s", memory = "32MB"
agent.on("hostile/1.0/go", function(message)
  local filling = ("x"):rep(100000)
  for _ = 1, 300 do agent.send("witness", "witness/1.0/noise", { filling = filling }) end
  message:reply("done", {})
end)
agent.on_undelivered(function() error("again") end)
