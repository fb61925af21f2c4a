-- Tries: to catch the memory limit's error and go on.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  local t = {}
  while true do
    pcall(function() while true do t[#t + 1] = ("x"):rep(10000) .. #t end end)
  end
end)
