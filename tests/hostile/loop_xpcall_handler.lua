-- Tries: to go on inside the message handler, where hooks are off.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  xpcall(function() while true do end end, function() while true do end end)
  while true do end
end)
