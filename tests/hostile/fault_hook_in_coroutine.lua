-- Tries: to be stopped at every point where a coroutine starts, yields, ends, fails or is closed.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  while true do
    local co = coroutine.create(function(...)
      local _ <close> = setmetatable({}, { __close = function() coroutine.yield() end })
      pcall(coroutine.yield, ...)
      pcall(coroutine.wrap(function() pcall(error, coroutine.running()) coroutine.yield() error() end))
      error(...)
    end)
    while coroutine.resume(co, co, 1, 2) do end
    pcall(coroutine.close, co)
    pcall(coroutine.close, coroutine.wrap(print))
  end
end)
