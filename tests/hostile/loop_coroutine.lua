-- Tries: to run for ever in coroutines that have no hook of their own.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  while true do
    coroutine.resume(coroutine.create(function() pcall(function() while true do end end) end))
  end
end)
