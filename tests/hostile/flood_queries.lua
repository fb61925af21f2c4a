-- Tries: to search with conditions that are as deep and as many as it can make them.
-- Ends: harmless
-- Limits: stretch = "1s"
agent.on("hostile/1.0/go", function(message)
  local where = { a = 1 }
  for _ = 1, 300 do where = { all = { where, where } } end
  pcall(agent.find, { where = where })
  local many = {}
  for i = 1, 5000 do many[i] = { ["f" .. i] = { at_most = i } } end
  pcall(agent.find, { where = { any = many }, limit = math.maxinteger })
  pcall(agent.find, { where = { x = { near = { 1e308, -1e308, 0 / 0 } } } })
  pcall(agent.find, { service = ("x"):rep(100000), order = "\0" })
  message:reply("done", {})
end)
