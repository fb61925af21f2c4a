-- Tries: to send without an end.
-- Ends: harmless
-- Limits: messages = 500, stretch = "1s"
agent.on("hostile/1.0/go", function(message)
  local sent, code = 0, nil
  for _ = 1, 1500 do
    local id, _, problem = agent.send("witness", "witness/1.0/noise", {})
    if id then sent = sent + 1 else code = problem end
  end
  if sent > 500 then error("sent " .. sent) end
  if code ~= "limit" then error(tostring(code)) end
  agent.sleep "1s" -- or there is no answer left to give
  message:reply("done", {})
end)
