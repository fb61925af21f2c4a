-- Tries: to write lines of megabytes, and objects that raise or loop when they are shown.
-- Ends: limit: the time limit
-- Limits: memory = "32MB", log_lines = 50
agent.on("hostile/1.0/go", function()
  local text = ("x"):rep(4000000)
  for _ = 1, 20 do log.info(text) end
  assert(not pcall(log.info, "x", 1) and not pcall(log.info, "x", { f = print }))
  assert(not pcall(log.info, setmetatable({}, { __tostring = function() error("x") end })))
  log.info(setmetatable({}, { __tostring = function() while true do end end }))
end)
