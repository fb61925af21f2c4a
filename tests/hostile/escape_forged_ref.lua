-- Tries: to answer for someone else, in a thread that it is no part of.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  local ref = message:ref()
  message:reply("done", {}) -- the first answer counts
  for key in pairs(ref) do
    local forged = message:ref()
    forged[key] = ("0"):rep(32)
    pcall(agent.reply, forged, "done", { forged = true })
    forged[key] = nil
    pcall(agent.reply, forged, "done", { forged = true })
    forged[key] = -1
    pcall(agent.reply, forged, "done", { forged = true })
  end
end)
