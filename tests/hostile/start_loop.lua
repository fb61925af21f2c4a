-- Tries: to hang each time it starts.
-- Ends: harmless
agent.on_start(function() while true do end end)
agent.on("hostile/1.0/go", function(message) message:reply("done", {}) end)
