-- Tries: to make the loops of the runtime's own pairs endless.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local list = { 1 }
  for key in pairs(list) do list[key + 1] = key end -- goes over what was there
  for _ in pairs(setmetatable({}, { __pairs = function()
    return function() return 1, 1 end
  end })) do end
end)
