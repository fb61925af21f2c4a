---@meta haggle.json

---JSON as other systems write and read it (RFC 8259).
---@class haggle.json
local json = {}

---@class haggle.json.DecodeOptions
---@field large? boolean up to 1 MiB, which may take some 50 ms

---@class haggle.json.EncodeOptions
---@field indent? integer spaces a level, up to 8

---A value; `null` is `haggle.null`. nil, why, code: why names line and column.
---@param text string|haggle.Bytes at most 256 KiB
---@param options? haggle.json.DecodeOptions
---@return haggle.Value? value
---@return string? why
---@return haggle.Code? code
function json.decode(text, options) end

---Text; raises, with the way to the place, for what JSON has not.
---@param value haggle.Value
---@param options? haggle.json.EncodeOptions
---@return string
function json.encode(value, options) end

return json
