-- Tries: to take memory where it is not counted as Lua's.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  while true do
    pcall(function() for i = 1, 1e6 do cache[i] = ("x"):rep(10000) .. i end end)
  end
end)
