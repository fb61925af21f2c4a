---@meta haggle.template

---Text with holes. No code runs in a template, and what is filled in is escaped for where it goes.
---@class haggle.template
local template = {}

---What `render` takes, made once at the top level.
---@param text string at most 64 KiB
---@return table
function template.compile(text) end

---Text of at most 1 MiB.
---@param compiled table|string
---@param values table
---@param escape "html"|"json"|"none"
---@return string
function template.render(compiled, values, escape) end

return template
