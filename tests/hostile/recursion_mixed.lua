-- Tries: to use up the stack of C with all that Lua counts apart: calls of C in closed coroutines.
-- Ends: limit: overflow or more than 50 deep
-- Limits: memory = "64MB", stretch = "2s"
agent.on("hostile/1.0/go", function()
  local deepest, nest = 0, nil
  local function dig(levels)
    deepest = deepest + 1
    local ok, why = pcall(string.gsub, "x", "x", function()
      if levels > 0 then dig(levels - 1) else nest() end
    end)
    if not ok then error(tostring(why):sub(-40), 0) end
  end
  nest = function()
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        for levels = 190, 20, -10 do
          local ok = pcall(dig, levels)
          if ok then break end
        end
        error("overflow " .. deepest, 0)
      end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    local _, why = coroutine.close(co)
    error(why, 0)
  end
  nest()
end)
