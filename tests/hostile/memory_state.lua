-- Tries: to fill the host's store.
-- Ends: limit: the state would grow
-- Limits: state = "256KB"
agent.on("hostile/1.0/go", function()
  for i = 1, 1000 do state[i] = ("x"):rep(1000) .. i end
end)
