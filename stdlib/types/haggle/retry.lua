---@meta haggle.retry

---Tries again what the world has refused for the moment, with growing pauses.
---@class haggle.retry
local retry = {}

---@class haggle.retry.Options
---@field attempts? integer calls at most (3)
---@field delay? haggle.Duration the pause before the second ("1s")
---@field factor? number each further pause is so many times as long (2)
---@field max? haggle.Duration the longest ("1m")
---@field jitter? number each is longer or shorter by up to this part (0.1)
---@field on? string[] the codes that are tried again

---Returns what `fn(attempt)` returned last. Suspends between attempts.
---@async
---@param fn fun(attempt: integer): any, string?, string?
---@param options? haggle.retry.Options
---@return any result
---@return string? why
---@return haggle.Code? code
function retry.call(fn, options) end

return retry
