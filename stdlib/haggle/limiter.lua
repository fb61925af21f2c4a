-- A rate limiter: token buckets in `state`, which outlive restarts.
--
--   local limiter = require "haggle.limiter"
--   local ok, why, code, wait = limiter.take("quotes", { rate = "10/1m", burst = 3 })
--   if not ok then return message:refuse(why, code) end   -- wait: ms until it would be granted
--   limiter.wait("mail", { rate = "1/10s" })              -- suspends until it is granted
--
-- rate: how many in which time, "10/1m"; burst: how many at once (as many as the rate names);
-- count: how many are taken (1). A name is any text, such as "quotes/" .. message.from. Of up to
-- 1000 names what was taken is remembered; then those whose buckets are full again are forgotten,
-- and if that is not enough those that will be soonest.
local haggle = require "haggle"

local limiter = {}

local KEY = "haggle.limiter" -- in `state`
local NAMES_MAX = 1000

-- Tokens per ms, and how many there are at most.
local function read(options)
  if type(options) ~= "table" then error("limiter: options are needed, { rate = \"10/1m\" }", 3) end
  for name in pairs(options) do
    if name ~= "rate" and name ~= "burst" and name ~= "count" then
      error("limiter: unknown option '" .. tostring(name) .. "', known: rate, burst, count", 3)
    end
  end
  local count, span = tostring(options.rate):match "^(%d+)/(%d[%w.]*)$"
  count = math.tointeger(tonumber(count))
  if not count or count < 1 then error("limiter: a rate is written as in \"10/1m\"", 3) end
  local ms = haggle.duration(span)
  if ms < 1 then error("limiter: the time of the rate is zero", 3) end
  local burst, taken = options.burst or count, options.count or 1
  if math.type(burst) ~= "integer" or burst < 1 then error("limiter: burst is 1 or more", 3) end
  if math.type(taken) ~= "integer" or taken < 1 or taken > burst then
    error("limiter: count is from 1 to burst, which is " .. tostring(burst), 3)
  end
  return count / ms, burst, taken
end

-- Forgets a quarter of them, those that are full soonest.
local function forget(all, names)
  local order = {}
  for name, bucket in pairs(names) do order[#order + 1] = { name = name, full = bucket.full } end
  table.sort(order, function(a, b) return a.full < b.full end)
  for i = 1, #order // 4 do names[order[i].name] = nil end
  all.count = #order - #order // 4
end

local function bucket_of(name, burst, now)
  if not state[KEY] then state[KEY] = { count = 0, names = {} } end
  local all = state[KEY]
  local bucket = all.names[name]
  if bucket then return bucket end
  if all.count >= NAMES_MAX then forget(all, all.names) end
  all.count = all.count + 1
  all.names[name] = { tokens = burst + 0.0, at = now, full = now }
  return all.names[name]
end

-- True, or nil, why, "limit", and after how many ms it would be granted.
function limiter.take(name, options)
  if type(name) ~= "string" then error("limiter: a name is text", 2) end
  local rate, burst, count = read(options)
  local now = haggle.now()
  local bucket = bucket_of(name, burst, now)
  -- A clock that was put back brings nothing.
  local tokens = math.min(burst, bucket.tokens + math.max(0, now - bucket.at) * rate)
  local granted = tokens + 1e-9 >= count
  if granted then tokens = tokens - count end
  bucket.tokens, bucket.at = tokens, now
  bucket.full = now + math.ceil((burst - tokens) / rate)
  if granted then return true end
  local wait = math.max(1, math.ceil((count - tokens) / rate - 1e-6))
  return nil, name .. ": more than " .. options.rate, "limit", wait
end

-- Takes, and suspends before as long as that is not granted.
function limiter.wait(name, options)
  while true do
    local ok, _, _, wait = limiter.take(name, options)
    if ok then return true end
    agent.sleep(wait)
  end
end

return limiter
