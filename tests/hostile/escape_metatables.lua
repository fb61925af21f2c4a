-- Tries: to reach and change the metatables of what the runtime gives it.
-- Ends: harmless
local haggle = require "haggle"
agent.on("hostile/1.0/go", function(message)
  for _, thing in ipairs { _G, state, cache, agent, log, host, string, table, math, os, utf8,
    coroutine, message, message.body, print, coroutine.running(), haggle } do
    assert(type(getmetatable(thing)) ~= "table", tostring(thing))
    if getmetatable(thing) ~= nil then assert(not pcall(setmetatable, thing, {})) end
  end
  message:reply("done", {})
end)
