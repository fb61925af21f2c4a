-- Tries: to leave a folder that it was granted through links in it.
-- Ends: harmless
-- Grant: *
agent.on("hostile/1.0/go", function(message)
  local folder = agent.config.folder
  assert(host.read(folder .. "/plain") == "plain\n")
  assert(host.read(folder .. "/inside") == "plain\n")
  for _, name in ipairs { "absolute", "relative", "folder/passwd", "round", "magic" } do
    local text, _, code = host.read(folder .. "/" .. name)
    assert(text == nil and code == "denied", name .. " " .. tostring(code))
  end
  for _, name in ipairs { "pipe", "", ".", "missing", "huge", "../secret", "./../secret" } do
    assert(not pcall(host.read, folder .. "/" .. name) or not host.read(folder .. "/" .. name), name)
  end
  message:reply("done", {})
end)
