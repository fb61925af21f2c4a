-- Tries: to run for ever without a loop statement.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function() ::again:: goto again end)
