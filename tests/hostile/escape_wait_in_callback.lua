-- Tries: to suspend where Lua cannot, and to leave the host with half a stack.
-- Ends: limit: agent.sleep cannot wait
agent.on("hostile/1.0/go", function()
  assert(not pcall(string.gsub, "x", "x", function() agent.sleep "1ms" end))
  assert(not pcall(function()
    local _ <close> = setmetatable({}, { __close = function() agent.sleep "1ms" error("x") end })
  end))
  assert(not pcall(coroutine.close, coroutine.create(function() agent.sleep "1ms" end)) or true)
  table.sort({ 2, 1 }, function() return coroutine.wrap(function() agent.sleep "1ms" end)() end)
end)
