-- Tries: to set more timers than anyone can keep.
-- Ends: harmless
-- Limits: stretch = "1s"
agent.on("hostile/1.0/go", function(message)
  local code
  for i = 1, 5000 do
    local ok, _, problem = pcall(agent.after, "ring", "1h", i, { key = "k" .. i })
    if not ok or problem then code = problem or "raised" break end
  end
  assert(code, "5000 timers were set")
  assert(not pcall(agent.after, "ring", 1 << 62) or true)
  assert(not pcall(agent.after, "ring", -1))
  message:reply("done", {})
end)
agent.on_timer("ring", function() end)
