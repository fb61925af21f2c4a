-- Tries: to use a view of a table that has been removed meanwhile.
-- Ends: limit: this table was removed
agent.on("hostile/1.0/go", function()
  state.a = { b = { c = 1 } }
  local b = state.a.b
  state.a = nil
  agent.sleep "1ms"
  b.c = 2
end)
