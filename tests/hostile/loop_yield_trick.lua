-- Tries: to yield from the handler itself, as if the host waited for something.
-- Ends: limit: attempt to yield from outside a coroutine
agent.on("hostile/1.0/go", function()
  local handler = coroutine.running()
  assert(not coroutine.resume(handler))
  assert(not pcall(coroutine.close, handler))
  assert(not pcall(coroutine.wrap(function()
    assert(not coroutine.resume(handler))
    assert(not pcall(coroutine.close, handler))
    error("as expected")
  end)))
  coroutine.yield({ forged = true })
end)
