-- Tries: to take all memory by doubling a string.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  local s = "xxxxxxxxxxxxxxxx"
  while true do s = s .. s end
end)
