-- Tries: variables that are closed in every way that ends a block (Lua 5.4.4 had faults there).
-- Ends: limit: the last word
agent.on("hostile/1.0/go", function()
  local order = {}
  local function closer(name, fails)
    return setmetatable({}, { __close = function(_, e)
      order[#order + 1] = name
      if fails then error(name .. tostring(e), 0) end
    end })
  end
  for i = 1, 3 do
    local _ <close> = closer("a" .. i)
    if i == 2 then goto continue end
    ::continue::
  end
  for _ in next, { 1, 2 }, nil, closer("generic") do break end
  local ok, why = pcall(function()
    local _ <close> = closer("x", true)
    local _ <close> = closer("y", true)
    return table.unpack({}, 1, 200)
  end)
  assert(not ok and why:find("x") and #order == 6)
  local co = coroutine.wrap(function(...)
    local _ <close> = closer("in")
    local _ <close> = setmetatable({}, { __close = function() coroutine.yield("closing") end })
    return ...
  end)
  assert(co(1, 2, 3) == "closing" and co() == 1)
  assert(not pcall(function() local _ <close> = 42 end))
  assert(select("#", pcall(function(...) local _ <close> = nil return ... end, 1, 2)) == 3)
  local function deep(n)
    local _ <close> = closer(n)
    if n > 0 then return deep(n - 1) end
    error("the last word")
  end
  deep(50)
end)
