-- Tries: to hide a loop in a coroutine inside the callback of a function of C.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  (("x"):rep(100)):gsub("x", function()
    return coroutine.wrap(function()
      table.sort({ 3, 2, 1 }, coroutine.wrap(function() while true do end end))
    end)()
  end)
end)
