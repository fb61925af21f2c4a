-- Tries: to read files that are no time zones, by their name.
-- Ends: harmless
local time = require "haggle.time"
agent.on("hostile/1.0/go", function(message)
  local names = {
    "../../../etc/passwd", "/etc/passwd", "Europe/../../../../etc/passwd", "zone.tab", "Europe", "",
    "UTC\0", "Europe/Vienna\n", ("A"):rep(300), ".", "posix/../tzdata.zi",
  }
  for _, name in ipairs(names) do
    local ok, text = pcall(time.format, 0, name)
    if ok and text then error("a zone named " .. name) end
  end
  message:reply("done", {})
end)
