---@meta haggle

---@class haggle
---@field null any the value null
local haggle = {}

---Bytes that are no text.
---@class haggle.Bytes
local Bytes = {}

---The bytes as a string.
---@return string
function Bytes:raw() end

---What an agent may use and never see. It can be joined with text.
---@class haggle.Secret
---@operator concat(string): haggle.Secret

---A secret of the host, for the headers of a request and as the key of `crypto.hmac_sha256`. Needs the grant `secret=name`.
---@param name string
---@return haggle.Secret
function haggle.secret(name) end

---For modules that make requests: a list of texts and `{ secret = name }`; nil for what is neither text nor a secret.
---@param value any
---@return table[]?
function haggle.secret_parts(value) end

---Unix time in ms.
---@return integer
function haggle.now() end

---Milliseconds.
---@param duration haggle.Duration
---@return integer
function haggle.duration(duration) end

---Marks a table as a list, also when it is empty.
---@generic T
---@param list? T[]
---@return T[]
function haggle.array(list) end

---Bytes that are no text; `:raw()` gives them back as a string.
---@param text string
---@return haggle.Bytes
function haggle.bytes(text) end

---32 random hex digits.
---@return string
function haggle.id() end

---@param bytes string|haggle.Bytes
---@return string
function haggle.tohex(bytes) end

---nil, why, code when it is not hex.
---@param text string
---@return haggle.Bytes? bytes
---@return string? why
---@return haggle.Code? code
function haggle.fromhex(text) end

return haggle
