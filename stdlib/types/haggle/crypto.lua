---@meta haggle.crypto

---Hashes, message authentication, and signatures by the agent's own key.
---@class haggle.crypto
local crypto = {}

---32 bytes.
---@param data string|haggle.Bytes at most 1 MiB
---@return haggle.Bytes
function crypto.sha256(data) end

---64 bytes.
---@param data string|haggle.Bytes at most 1 MiB
---@return haggle.Bytes
function crypto.sha512(data) end

---32 bytes.
---@param key string|haggle.Bytes|haggle.Secret with a secret: in handlers
---@param data string|haggle.Bytes at most 1 MiB
---@return haggle.Bytes? mac
---@return string? why
---@return haggle.Code? code
function crypto.hmac_sha256(key, data) end

---64 bytes.
---@param key string|haggle.Bytes|haggle.Secret with a secret: in handlers
---@param data string|haggle.Bytes at most 1 MiB
---@return haggle.Bytes? mac
---@return string? why
---@return haggle.Code? code
function crypto.hmac_sha512(key, data) end

---Whether they are the same, in a time that tells nothing about where they differ.
---@param a string|haggle.Bytes
---@param b string|haggle.Bytes
---@return boolean
function crypto.equal(a, b) end

---64 bytes, in handlers; nil, why, "denied" when the agent's key is not on this host.
---@param data string|haggle.Bytes at most 1 MiB
---@return haggle.Bytes? signature
---@return string? why
---@return haggle.Code? code
function crypto.sign(data) end

---true, or nil, why, code: `bad_signature`, `malformed`, `bad_key`.
---@param did string
---@param data string|haggle.Bytes at most 1 MiB
---@param signature string|haggle.Bytes
---@return true? good
---@return string? why
---@return haggle.Code? code
function crypto.verify(did, data, signature) end

---1 to 1024 bytes that nobody can guess; in handlers.
---@param count integer
---@return haggle.Bytes
function crypto.random(count) end

return crypto
