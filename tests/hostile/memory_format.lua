-- Tries: to have numbers and texts written wider than any buffer.
-- Ends: limit: invalid conversion
agent.on("hostile/1.0/go", function()
  assert(#string.format("%99.99f", -1e308) < 500)
  assert(string.format("%a", 0 / 0) and string.format("%.99a", 1e-320))
  assert(#string.format("%99d", math.mininteger) == 99)
  assert(not pcall(string.format, ("%s"):rep(1000)))
  assert(not pcall(string.format, "%p", {}) and not pcall(string.format, "%n", 1))
  assert(not pcall(string.format, "%10q", "x") and not pcall(string.format, "%", 1))
  assert(not pcall(string.format, "%s", setmetatable({}, { __tostring = function() end })))
  return string.format("%100d", 1)
end)
