---@meta haggle.stats

---Running statistics in a plain table, for `state`, in a bounded size.
---@class haggle.stats
local stats = {}

---@class haggle.stats.Summary
---@field count integer
---@field mean? number
---@field deviation? number
---@field min? number
---@field max? number

---An empty table, to be kept in `state`.
---@return table
function stats.new() end

---Counts it; raises for what is no finite number.
---@param s table
---@param value number
function stats.add(s, value) end

---@param s table
---@return number?
function stats.mean(s) end

---Of a sample (n − 1); nil when there are too few.
---@param s table
---@return number?
function stats.variance(s) end

---Of a sample; nil when there are too few.
---@param s table
---@return number?
function stats.deviation(s) end

---The value below which this part lies, right to 1 %.
---@param s table
---@param part number 0 to 1
---@return number?
function stats.quantile(s, part) end

---@param s table
---@return haggle.stats.Summary
function stats.summary(s) end

---The exact one of a list.
---@param list number[]
---@param part number 0 to 1
---@return number?
function stats.quantile_of(list, part) end

return stats
