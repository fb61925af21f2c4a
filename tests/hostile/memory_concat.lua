-- Tries: to make a string out of many that are one.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  local piece, list = ("x"):rep(100000), {}
  for i = 1, 50000 do list[i] = piece end
  return table.concat(list)
end)
