-- Tries: to send what no host can take.
-- Ends: limit: more than
-- Limits: memory = "64MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local deep = {}
  for _ = 1, 500 do deep = { deep } end
  assert(not pcall(agent.send, "witness", "witness/1.0/add", deep))
  local cycle = {}
  cycle[1] = cycle
  assert(not pcall(agent.send, "witness", "witness/1.0/add", cycle))
  assert(not pcall(agent.send, "witness", ("x"):rep(100000), {}))
  assert(not pcall(agent.send, ("x"):rep(100000), "witness/1.0/add", {}) or true)
  agent.send("witness", "witness/1.0/add", { by = 1000, filling = ("x"):rep(20000000) })
end)
