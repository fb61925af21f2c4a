-- Tries: to make a replacement that outgrows everything.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  local s = ("x"):rep(1000)
  while true do s = s:gsub("x", "%0%0%0%0%0%0%0%0") end
end)
