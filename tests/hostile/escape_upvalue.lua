-- Tries: to keep what the next handler finds in a variable of the script.
-- Ends: limit: counter
local counter = 0
agent.on("hostile/1.0/go", function() counter = counter + 1 end)
