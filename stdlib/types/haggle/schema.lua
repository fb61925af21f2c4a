---@meta haggle.schema

---Whether a value is what a JSON schema says.
---@class haggle.schema
local schema = {}

---A JSON schema (2020-12, without regular expressions), or true or false.
---@alias haggle.Schema table<string, any>|boolean

---True; or nil and what is wrong, with its place. Raises for a schema that is none.
---@param value any
---@param rules haggle.Schema
---@return true? ok
---@return string? why
function schema.check(value, rules) end

return schema
