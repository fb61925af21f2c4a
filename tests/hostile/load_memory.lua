-- Tries: to exhaust the host's memory at its start.
-- Ends: refused: the memory limit
local t = {}
while true do t[#t + 1] = ("x"):rep(100000) .. #t end
