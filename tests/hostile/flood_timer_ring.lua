-- Tries: to keep the host busy with timers that are due at once.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  for i = 1, 20 do agent.after("ring", 0, i, { key = "k" .. i }) end
  message:reply("done", {})
end)
agent.on_timer("ring", function(i) agent.after("ring", 0, i, { key = "k" .. i }) end)
