-- Tries: to make each step of a pattern as expensive as it gets.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  string.find(("b"):rep(200000), "[^" .. ("a"):rep(500000) .. "]*c")
end)
