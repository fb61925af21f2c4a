-- Tries: to overflow the stack of C through functions that call back.
-- Ends: limit: overflow
-- Limits: memory = "64MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local function down() return (("x"):gsub("x", down)) end
  return down()
end)
