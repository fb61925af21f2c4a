-- Tries: to change what every string can do.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  local meta = getmetatable("")
  assert(type(meta) ~= "table")
  assert(not pcall(setmetatable, "", {}))
  assert(not pcall(function() string.rep = function() return "hacked" end end))
  assert(not pcall(function() ("").rep = 1 end))
  assert(("x"):rep(2) == "xx")
  message:reply("done", {})
end)
