---@meta haggle.cache

---Values that are kept for a while, in `state`, and not more than so many of them.
---@class haggle.cache
local cache = {}

---@class haggle.cache.Options
---@field max? integer entries; beyond that the oldest go (1000)

---The value, or nil.
---@param name string of the cache
---@param key string|integer
---@return any
function cache.get(name, key) end

---The value, or what `fn()` returns, which is kept unless it is nil.
---@param name string of the cache
---@param key string|integer
---@param ttl haggle.Duration
---@param fn fun(): any, string?, string?
---@param options? haggle.cache.Options
---@return any value
---@return string? why
---@return haggle.Code? code
function cache.get_or(name, key, ttl, fn, options) end

---Keeps it for the time to live; nil removes.
---@param name string of the cache
---@param key string|integer
---@param ttl haggle.Duration
---@param value? haggle.Value
---@param options? haggle.cache.Options
function cache.put(name, key, ttl, value, options) end

---Whether there was one.
---@param name string of the cache
---@param key string|integer
---@return boolean
function cache.remove(name, key) end

---Removes all of them.
---@param name string of the cache
function cache.clear(name) end

---How many are kept.
---@param name string of the cache
---@return integer
function cache.count(name) end

return cache
