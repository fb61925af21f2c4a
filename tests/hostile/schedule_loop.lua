-- Tries: to hang again and again, on a schedule.
-- Ends: harmless
agent.every("hang", "50ms", function() while true do end end)
agent.on("hostile/1.0/go", function(message) message:reply("done", {}) end)
