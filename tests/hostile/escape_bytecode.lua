-- Tries: to run bytecode that it made itself.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  local dump, run = ("").dump, _G["load"]
  assert(dump == nil and run == nil)
  assert(not pcall(function() return string.dump(print) end))
  message:reply("done", {})
end)
