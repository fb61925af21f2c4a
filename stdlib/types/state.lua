---@meta

---A tree of tables that outlives everything: keys are text and integers. Tables read from it are views: writing to them writes to `state`, and belongs to the stretch.
---@type table<string|integer, any>
state = {}

---As `state`, but lost with the Lua state, at the latest when the agent rests: for what can be computed again.
---@type table<string|integer, any>
cache = {}
