-- Tries: to answer one question many times.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  message:reply("done", {})
  for _ = 1, 50 do pcall(message.refuse, message, ("x"):rep(2000), "made up") end
  for _ = 1, 50 do pcall(message.reply, message, "done", { again = true }) end
end)
