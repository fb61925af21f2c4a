-- Tries: to hang the host at its start.
-- Ends: refused: the time limit
while true do pcall(function() while true do end end) end
