-- Tries: to get behind the views of state.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  state.a = { b = { c = 1 } }
  local b = state.a.b
  state.a.b.up = state.a -- copies
  assert(state.a.b.up.b.up == nil)
  assert(not pcall(function() state.f = print end))
  assert(not pcall(function() state.nan = 0 / 0 end))
  assert(not pcall(function() state[0.5] = 1 end))
  assert(not pcall(function() state[{}] = 1 end))
  assert(not pcall(function() state["\xff"] = 1 end))
  assert(not pcall(function() state[("k"):rep(100000)] = 1 end))
  assert(not pcall(function() state.co = coroutine.create(print) end))
  pcall(next, state, "missing")
  assert(not pcall(setmetatable, state, {}))
  local cycle = {}
  cycle.cycle = cycle
  assert(not pcall(function() state.cycle = cycle end))
  local deep = {}
  for _ = 1, 1000 do deep = { deep } end
  assert(not pcall(function() state.deep = deep end))
  state.a = nil
  assert(b.c == 1)
  pcall(function() b.c = 2 end)
  pcall(function() state.a = b end)
  for key in pairs(state) do state[key] = nil end
  assert(next(state) == nil)
  message:reply("done", {})
end)
