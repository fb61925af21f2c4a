-- Tries: to change a message, or to speak as someone else through one.
-- Ends: limit: this is no message
agent.on("hostile/1.0/go", function(message)
  local from = message.from
  pcall(function() message.from = agent.id end)
  pcall(function() message.thid = ("0"):rep(32) end)
  pcall(function() message.thread = "other" end)
  assert(message.from == from)
  for _, forged in ipairs { {}, { from = from }, state, 1, "x" } do
    assert(not pcall(agent.reply, forged, "done", {}))
  end
  error("this is no message")
end)
