-- Tries: to keep the host from stopping.
-- Ends: harmless
agent.on_stop(function() while true do pcall(agent.sleep, "1h") end end)
agent.on("hostile/1.0/go", function(message) message:reply("done", {}) end)
