-- Tries: to reach another agent's tables through a message's body.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  local answer = assert(agent.ask("witness", "witness/1.0/list", {}))
  answer.body.list[1] = "changed"
  answer.body.list = nil
  pcall(setmetatable, answer.body, { __index = function() while true do end end })
  message:reply("done", {})
end)
