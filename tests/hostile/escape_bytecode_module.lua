-- Tries: to load bytecode as a module.
-- Ends: refused: module
require "bytecode"
