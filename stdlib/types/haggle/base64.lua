---@meta haggle.base64

---Bytes as text (RFC 4648).
---@class haggle.base64
local base64 = {}

---Text with padding.
---@param data string|haggle.Bytes at most 1 MiB
---@return string
function base64.encode(data) end

---As in URLs: `-` and `_`, no padding.
---@param data string|haggle.Bytes at most 1 MiB
---@return string
function base64.encode_url(data) end

---nil, why, "malformed" for what the encoder does not write.
---@param text string
---@return haggle.Bytes? bytes
---@return string? why
---@return haggle.Code? code
function base64.decode(text) end

---nil, why, "malformed" for what the encoder does not write.
---@param text string
---@return haggle.Bytes? bytes
---@return string? why
---@return haggle.Code? code
function base64.decode_url(text) end

return base64
