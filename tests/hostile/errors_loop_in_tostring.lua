-- Tries: to hang the host while it reports an error.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  error(setmetatable({}, { __tostring = function() while true do end end }))
end)
