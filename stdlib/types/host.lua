---@meta

---What of the machine the operator has granted.
---@class haggle.Host
host = {}

---The content of a file, or nil, why, code. Needs the grant `read=path`.
---@param path string
---@return string|haggle.Bytes? content
---@return string? why
---@return haggle.Code? code
function host.read(path) end
