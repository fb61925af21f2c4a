-- Tries: to replace functions of the libraries while it runs.
-- Ends: limit: libraries are constant
agent.on("hostile/1.0/go", function()
  for _, library in ipairs { string, table, math, os, utf8, coroutine, log, host } do
    assert(not pcall(function() library.new = print end))
    assert(not pcall(function() library[next(library)] = print end))
  end
  agent.send = print
end)
