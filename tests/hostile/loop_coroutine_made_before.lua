-- Tries: to go on in a coroutine that was made and started before the limit was reached.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local turn = coroutine.wrap(function() while true do coroutine.yield() end end)
  turn()
  pcall(function() while true do end end)
  while true do turn() end
end)
