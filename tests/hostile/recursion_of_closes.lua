-- Tries: to close coroutines inside one another: Lua 5.4.4 overflows the stack of C at some 11,000.
-- Ends: limit: more than 50 deep
-- Limits: memory = "64MB", stretch = "1s"
agent.on("hostile/1.0/go", function()
  local co
  for _ = 1, 20000 do
    local inner = co
    co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        if inner then assert(coroutine.close(inner)) end
      end })
      coroutine.yield()
    end)
    coroutine.resume(co)
  end
  local _, why = coroutine.close(co)
  error(tostring(why):sub(-60), 0)
end)
