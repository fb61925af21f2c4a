-- Tries: the same through coroutine.wrap, which closes what raised.
-- Ends: limit: C stack overflow
-- Limits: memory = "64MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local function nest()
    local _ <close> = setmetatable({}, { __close = function() coroutine.wrap(nest)() end })
    error("down")
  end
  coroutine.wrap(nest)()
end)
