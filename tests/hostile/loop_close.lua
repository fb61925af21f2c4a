-- Tries: to run for ever when a variable is closed.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local _ <close> = setmetatable({}, { __close = function() while true do end end })
end)
