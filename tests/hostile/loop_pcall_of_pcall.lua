-- Tries: to catch the limit's error with functions of C alone.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  while true do pcall(pcall, pcall, error, pcall) end
end)
