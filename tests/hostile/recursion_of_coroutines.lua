-- Tries: to overflow the stack of C with coroutines inside coroutines.
-- Ends: limit: C stack overflow
agent.on("hostile/1.0/go", function()
  local function nest(n) return coroutine.wrap(nest)(n + 1) end
  local _, why = pcall(nest, 1)
  error(tostring(why):sub(-60), 0)
end)
