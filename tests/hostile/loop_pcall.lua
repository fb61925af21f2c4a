-- Tries: to catch the limit's error and go on.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  while true do pcall(function() while true do end end) end
end)
