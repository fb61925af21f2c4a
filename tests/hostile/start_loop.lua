-- Tries: to hang each time it starts.
-- Ends: parked: the time limit of 50 ms was reached
-- Restart: on_failure = "park"
agent.on_start(function() while true do end end)
agent.on("hostile/1.0/go", function(message) message:reply("done", {}) end)
