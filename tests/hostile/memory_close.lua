-- Tries: to take memory while dying for want of it.
-- Ends: limit: the memory limit or the time limit
agent.on("hostile/1.0/go", function()
  local t = {}
  local function more() while true do t[#t + 1] = { #t } end end
  local _ <close> = setmetatable({}, { __close = more })
  pcall(coroutine.wrap(function()
    local _ <close> = setmetatable({}, { __close = more })
    more()
  end))
  more()
end)
