-- Tries: to walk a list without an end.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  for _ in ipairs(setmetatable({}, { __index = function(_, i) return i end })) do end
end)
