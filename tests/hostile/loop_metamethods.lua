-- Tries: to run for ever in metamethods that C code calls.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local forever = function() while true do end end
  local mean = setmetatable({}, { __index = forever, __len = forever, __lt = forever })
  pcall(table.concat, mean, ",", 1, 10)
  pcall(table.sort, { mean, mean })
  pcall(function() return #mean end)
end)
