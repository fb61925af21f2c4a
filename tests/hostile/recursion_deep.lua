-- Tries: to overflow the stack.
-- Ends: limit: stack overflow or the memory limit
-- Limits: memory = "32MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local function down() return 1 + down() end
  assert(not pcall(down))
  return down()
end)
