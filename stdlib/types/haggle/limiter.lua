---@meta haggle.limiter

---A rate limiter: token buckets in `state`, which outlive restarts.
---@class haggle.limiter
local limiter = {}

---@class haggle.limiter.Options
---@field rate string how many in which time, as in "10/1m"
---@field burst? integer how many at once (as many as the rate names)
---@field count? integer how many are taken (1)

---true, or nil, why, "limit", wait: after `wait` ms it would be granted.
---@param name string
---@param options haggle.limiter.Options
---@return true? granted
---@return string? why
---@return haggle.Code? code
---@return integer? wait
function limiter.take(name, options) end

---true, once it is granted. Suspends.
---@async
---@param name string
---@param options haggle.limiter.Options
---@return true
function limiter.wait(name, options) end

return limiter
