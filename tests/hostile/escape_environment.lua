-- Tries: to run in an environment of its own, with functions of its own.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local forever = function() while true do end end
  local _ENV = setmetatable({}, { __index = forever, __newindex = forever })
  x = y
end)
