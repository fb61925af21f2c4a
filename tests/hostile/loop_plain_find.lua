-- Tries: to make a plain search quadratic.
-- Ends: harmless
-- Limits: stretch = "2s"
agent.on("hostile/1.0/go", function(message)
  local text = ("a"):rep(500000)
  assert(not text:find(("a"):rep(250000) .. "b", 1, true))
  assert(not text:find("b" .. ("a"):rep(250000), 1, true))
  message:reply("done", {})
end)
