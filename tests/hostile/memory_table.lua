-- Tries: to take all memory with a table.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  local t = {}
  for i = 1, 1e9 do t[i] = { i } end
end)
