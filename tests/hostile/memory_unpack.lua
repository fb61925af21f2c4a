-- Tries: to push more values than any stack holds.
-- Ends: limit: too many results to unpack
agent.on("hostile/1.0/go", function()
  local text = ("x"):rep(2000000)
  assert(not pcall(string.byte, text, 1, -1))
  assert(not pcall(utf8.codepoint, text, 1, -1))
  assert(not pcall(string.char, table.unpack({}, 1, 200)))
  assert(not pcall(select, -1 << 62, 1))
  assert(not pcall(table.unpack, {}, math.mininteger, math.maxinteger))
  return table.unpack({}, 1, 1e8)
end)
