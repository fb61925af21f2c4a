-- Tries: to run for ever while being stopped for having run for ever.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local function forever() while true do end end
  local _ <close> = setmetatable({}, { __close = forever })
  pcall(coroutine.wrap(function()
    local _ <close> = setmetatable({}, { __close = forever })
    forever()
  end))
  forever()
end)
