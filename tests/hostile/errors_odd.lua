-- Tries: errors that are no text, that are huge, and that pretend to be something else.
-- Ends: limit: not red
agent.on("hostile/1.0/go", function(message)
  assert(not pcall(error) and not pcall(error, nil) and not pcall(error, print, 1 << 40))
  assert(not pcall(error, "x", math.mininteger))
  assert(#select(2, pcall(error, ("x"):rep(1000000), 0)) == 1000000)
  if message.attempt == 1 then error(nil) end
  if message.attempt == 2 then error(("x"):rep(1000000)) end
  error("\27[31mnot red\n00:00:00.000 error witness  FORGED LINE\r\xff\xe2\x82" .. ("ä"):rep(1000) .. "\0")
end)
