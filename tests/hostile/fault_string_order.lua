-- Tries: to have texts compared beyond their ends: zeros inside them once led C's strcoll there.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  local texts = { "", "\0", "\0\0", "a\0", "a\0b", "a\0b\0", "a", ("\0"):rep(1000), "\xff\0", "b" }
  for _, a in ipairs(texts) do
    for _, b in ipairs(texts) do
      assert((a < b) ~= (a >= b) and (a <= b) ~= (a > b))
      assert((a == b) == (a <= b and b <= a))
    end
  end
  table.sort(texts)
  message:reply("done", {})
end)
