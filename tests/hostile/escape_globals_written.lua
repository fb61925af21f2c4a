-- Tries: to keep what the next handler finds in a global variable.
-- Ends: limit: smuggled
agent.on("hostile/1.0/go", function()
  assert(not pcall(function() _G.other = 1 end))
  assert(not pcall(function() print = nil end))
  smuggled = 1
end)
