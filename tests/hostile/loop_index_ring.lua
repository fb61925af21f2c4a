-- Tries: to send a look-up around a ring of metatables.
-- Ends: limit: '__index' chain too long
agent.on("hostile/1.0/go", function()
  local a, b = {}, {}
  setmetatable(a, { __index = b, __newindex = b })
  setmetatable(b, { __index = a, __newindex = a })
  assert(not pcall(function() a.x = 1 end))
  return a.x
end)
