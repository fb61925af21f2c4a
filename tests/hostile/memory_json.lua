-- Tries: to get more memory from small texts: JSON of many tables, again and again.
-- Ends: limit: the memory limit
-- Limits: stretch = "10s"
local json = require "haggle.json"
agent.on("hostile/1.0/go", function()
  local text, kept = "[" .. ("[[]],"):rep(8000) .. "1]", {}
  while true do
    local _, value = pcall(json.decode, text)
    kept[#kept + 1] = value
  end
end)
