-- Tries: to hold more tables, on longer ways, than the row of a suspended handler names.
-- Ends: limit: tables of state across a suspension, whose places take
local KEY = ("x"):rep(390)
agent.on("hostile/1.0/go", function()
  local at, held = state, {}
  for _ = 1, 28 do
    at[KEY] = {}
    at = at[KEY]
  end
  for i = 1, 1500 do
    at[i] = { 1 }
    held[i] = at[i]
  end
  agent.sleep "1ms"
  assert(held[1500][1] == 1)
end)
