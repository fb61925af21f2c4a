-- Tries: to put a finalizer into a metatable that is set already.
-- Ends: refused: has a finalizer
local meta = {}
thing = setmetatable({}, meta)
meta.__gc = function() while true do end end
agent.on("hostile/1.0/go", function() return thing end)
