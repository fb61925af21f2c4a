-- Tries: to fill the log, so that nobody finds what others wrote.
-- Ends: harmless
-- Limits: stretch = "2s", log_lines = 50
agent.on("hostile/1.0/go", function(message)
  for i = 1, 5000 do log.info("flood", { i = i }) end
  message:reply("done", {})
end)
