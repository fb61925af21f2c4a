-- Tries: to make a numeric loop run past the last integer.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local count = 0
  for _ = math.maxinteger - 1, math.maxinteger do count = count + 1 end
  for _ = math.mininteger, math.mininteger + 2, 2 do count = count + 1 end
  for _ = math.maxinteger, math.mininteger, math.mininteger do count = count + 1 end
  assert(count == 6)
  for _ = 1, math.huge do end
end)
