-- Tries: to give functions of C ranges and lengths that are made up.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local long = setmetatable({}, { __len = function() return 1 << 60 end })
  pcall(table.insert, long, 1, 1)
  pcall(table.remove, long, 1)
  pcall(table.concat, {}, "", 1, 1 << 60)
  table.move({}, 1, 1 << 60, 2)
end)
