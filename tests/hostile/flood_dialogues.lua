-- Tries: to open dialogues without an end and end none.
-- Ends: harmless
-- Limits: dialogues = 100, stretch = "1s"
agent.protocol { name = "open", version = "1.0", messages = {
  begin = { replies = { "go_on" } }, go_on = { replies = { "go_on" } } } }
agent.on("hostile/1.0/go", function(message)
  local opened, code = 0, nil
  for _ = 1, 1000 do
    local id, _, problem = agent.send("witness", "open/1.0/begin", {})
    if id then opened = opened + 1 else code = problem break end
  end
  message:reply("done", {})
  if opened > 100 or code ~= "limit" then error(opened .. " " .. tostring(code)) end
end)
agent.on("open/1.0/go_on", function() end)
