-- Tries: the same through coroutine.wrap, which closes what raised.
-- Ends: limit: overflow or more than 50 deep
-- Limits: memory = "64MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local function nest()
    local _ <close> = setmetatable({}, { __close = function() coroutine.wrap(nest)() end })
    error("down")
  end
  local _, why = pcall(coroutine.wrap(nest))
  error(tostring(why):sub(-60), 0)
end)
