-- Tries: to have structures packed that are larger than anything.
-- Ends: limit: out of limits
agent.on("hostile/1.0/go", function()
  assert(not pcall(string.pack, "s1", ("x"):rep(300)))
  assert(not pcall(string.unpack, "s8", ("\xff"):rep(16)))
  assert(not pcall(string.unpack, "c" .. math.maxinteger, "x"))
  assert(not pcall(string.packsize, ("c1073741824"):rep(8)))
  assert(not pcall(string.unpack, "z", ("x"):rep(1000)))
  assert(not pcall(string.unpack, "i4", "x", math.maxinteger))
  assert(not pcall(string.unpack, "!16 Xi17", "x"))
  return string.pack("i17", 1)
end)
