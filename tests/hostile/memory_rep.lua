-- Tries: to take all memory with one call.
-- Ends: limit: larger than the agent's memory limit
agent.on("hostile/1.0/go", function()
  assert(not pcall(string.rep, "x", 1 << 62))
  assert(not pcall(string.rep, "x", math.maxinteger, "y"))
  assert(string.rep("x", math.mininteger) == "" and string.rep("", math.maxinteger) == "")
  return ("x"):rep(1e10)
end)
