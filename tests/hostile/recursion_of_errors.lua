-- Tries: to overflow the stack inside the handling of an overflow.
-- Ends: limit: overflow or the memory limit
-- Limits: memory = "32MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local function again() return xpcall(again, again) end
  assert(pcall(again) ~= nil)
  local function down() return 1 + down() end
  xpcall(down, down)
  return down()
end)
