-- Tries: the same with tables that are moved so far only while the handler waits.
-- Ends: harmless
local KEY = ("x"):rep(390)
agent.on("hostile/1.0/go", function(message)
  state.near = {}
  local held = {}
  for i = 1, 1500 do
    state.near[i] = { i }
    held[i] = state.near[i]
  end
  agent.after("move", "1ms")
  agent.sleep "500ms"
  assert(state.near == nil and held[1500][1] == 1500)
  message:reply("done", {})
end)
agent.on_timer("move", function()
  local at = state
  for _ = 1, 28 do
    at[KEY] = {}
    at = at[KEY]
  end
  at[KEY] = state.near
  state.near = nil
end)
