-- Tries: to take all memory with coroutines, and the host's stack list with it.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  local list = {}
  while true do
    local co = coroutine.create(function(...) coroutine.yield(select("#", ...), ...) end)
    pcall(coroutine.resume, co, table.unpack(list, 1, math.min(#list, 200)))
    list[#list + 1] = co
  end
end)
