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

---Makes or replaces a file, whole or not at all. Suspends until it is durable. Needs the grant `write=path`.
---@async
---@param path string
---@param content string|haggle.Bytes
---@return true? done
---@return string? why
---@return haggle.Code? code
function host.write(path, content) end

---Removes a file. Suspends until that is durable. Needs the grant `write=path`.
---@async
---@param path string
---@return true? done
---@return string? why
---@return haggle.Code? code
function host.remove(path) end

---What `host.write` and haggle.http are made of: waits for what a service of the host makes of a request. Suspends.
---@async
---@param service string
---@param request? haggle.Value
---@param options? haggle.AskOptions
---@return any result
---@return string? why
---@return haggle.Code? code
function host.call(service, request, options) end
