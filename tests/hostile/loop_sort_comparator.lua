-- Tries: to run for ever in a comparator, and to confuse the sort.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local list = {}
  for i = 1, 500 do list[i] = i end
  table.sort(list, function() return true end)
  table.sort(list, function(a, b) list[a], list[b] = nil, nil return a ~= b end)
  table.sort({ 3, 2, 1 }, function() while true do end end)
end)
