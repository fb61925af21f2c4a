-- Tries: to overflow the stack.
-- Ends: limit: stack overflow
agent.on("hostile/1.0/go", function()
  local function down() return 1 + down() end
  assert(not pcall(down))
  return down()
end)
