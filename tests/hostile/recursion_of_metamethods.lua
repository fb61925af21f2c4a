-- Tries: to overflow the stack of C through metamethods and tostring.
-- Ends: limit: overflow
-- Limits: memory = "64MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local deep = setmetatable({}, { __tostring = function(self) return tostring(self) end,
    __concat = function(a, b) return a .. b end, __eq = function(a, b) return a == b end })
  assert(not pcall(function() return deep .. "x" end))
  return tostring(deep)
end)
