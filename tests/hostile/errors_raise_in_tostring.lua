-- Tries: to break the host's report of an error with an error in it.
-- Ends: limit: an error object that cannot be shown
agent.on("hostile/1.0/go", function()
  error(setmetatable({}, { __tostring = function() error("again") end }))
end)
