-- Tries: to have a finalizer, where no hook fires.
-- Ends: refused: finalizers are not available
thing = setmetatable({}, { __gc = function() while true do end end })
