-- Tries: to run for ever.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function() while true do end end)
