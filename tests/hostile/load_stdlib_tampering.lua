-- Tries: to change the standard library for the others.
-- Ends: refused: constant
local market = require "haggle.market"
market.sell = function() end
string.rep = function() return "hacked" end
