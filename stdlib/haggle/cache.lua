-- A cache in `state`: values with a time to live, and a bound on how many. (The global `cache` is
-- lost when the agent rests; what is here outlives restarts.)
--
--   local store = require "haggle.cache"
--   local quote = store.get_or("quotes", city, "5m", function()
--     if not known(city) then return nil, "no such city", "not_found" end -- is not kept
--     return reckon(city)
--   end)
--
-- The first argument names the cache, the key is text or an integer. A value is what `state` can
-- hold; a table comes back as a view, which is good until the entry goes. When more than `max`
-- (1000) are kept, the oldest go.
local haggle = require "haggle"

local cache = {}

local KEY = "haggle.cache" -- in `state`
local MAX = 1000

local function open(name, make)
  if type(name) ~= "string" then error("haggle.cache: a cache's name is text", 3) end
  if not state[KEY] then
    if not make then return nil end
    state[KEY] = {}
  end
  if not state[KEY][name] then
    if not make then return nil end
    -- order: number → key, from the oldest
    state[KEY][name] = { entries = {}, order = {}, last = 0, count = 0 }
  end
  return state[KEY][name]
end

local function drop(one, key)
  local entry = one.entries[key]
  if not entry then return false end
  one.order[entry.number], one.entries[key] = nil, nil
  one.count = one.count - 1
  return true
end

-- The keys of state stand in order, so that the oldest is found however many numbers are gone.
local function drop_oldest(one)
  local _, key = next(one.order)
  drop(one, key)
end

-- The value, or nil when there is none or its time is over.
function cache.get(name, key)
  local one = open(name)
  local entry = one and one.entries[key]
  if not entry then return nil end
  if haggle.now() < entry.till then return entry.value end
  drop(one, key)
  return nil
end

-- options: max. nil as a value removes.
function cache.put(name, key, ttl, value, options)
  local max, ms = MAX, haggle.duration(ttl)
  for option, given in pairs(options or {}) do
    if option ~= "max" then
      error("haggle.cache: unknown option '" .. tostring(option) .. "', known: max", 2)
    end
    max = given
  end
  if math.type(max) ~= "integer" or max < 1 then error("haggle.cache: max is 1 or more", 2) end
  local one = open(name, true)
  drop(one, key)
  if value == nil then return end
  while one.count >= max do drop_oldest(one) end
  one.last, one.count = one.last + 1, one.count + 1
  one.order[one.last] = key
  one.entries[key] = { value = value, till = haggle.now() + ms, number = one.last }
end

-- The value, or what fn() returns, which is kept for `ttl` unless it is nil; then nil and what else
-- fn returned. fn may suspend: another handler that asks meanwhile calls its own.
function cache.get_or(name, key, ttl, fn, options)
  local value = cache.get(name, key)
  if value ~= nil then return value end
  local why, code
  value, why, code = fn()
  if value == nil then return nil, why, code end
  cache.put(name, key, ttl, value, options)
  return value
end

-- Whether there was one.
function cache.remove(name, key)
  local one = open(name)
  return one ~= nil and drop(one, key)
end

function cache.clear(name)
  if open(name) then state[KEY][name] = nil end
end

-- How many are kept, with those whose time is over and that nobody has asked for since.
function cache.count(name)
  local one = open(name)
  return one and one.count or 0
end

return cache
