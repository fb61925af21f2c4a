-- Tries: to run for ever in coroutine.close.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() while true do end end })
    coroutine.yield()
  end)
  coroutine.resume(co)
  pcall(coroutine.close, co)
  while true do end
end)
