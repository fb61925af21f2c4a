-- Running statistics in plain tables, for `state`: mean, deviation, least, greatest, quantiles.
--
--   local stats = require "haggle.stats"
--   if not state.waits then state.waits = stats.new() end
--   stats.add(state.waits, 12.5)
--   stats.quantile(state.waits, 0.95)        -- within 1 % of the true value
--   stats.summary(state.waits)               -- { count, mean, deviation, min, max }
--
-- Mean and deviation are Welford's. Quantiles are counted in buckets whose borders grow by 2 %, so
-- that each is right to 1 % (DDSketch: Masson, Rim, Lee, VLDB 2019); beyond 512 buckets of one sign
-- the smallest amounts are counted together. The same numbers give the same table, on any host.
local stats = {}

local BUCKETS_MAX = 512
local LOG_GAMMA = math.log(1.01 / 0.99) -- of the step from one border to the next

-- A number that is finite, as a float.
local function check(value)
  if type(value) ~= "number" or value ~= value or value == math.huge or value == -math.huge then
    error("stats: a finite number is needed, got " .. tostring(value), 3)
  end
  return value + 0.0
end

-- An empty one. It belongs into `state`, or stays a local.
function stats.new()
  return {
    count = 0, mean = 0.0, spread = 0.0, zeros = 0, above = { used = 0 }, below = { used = 0 },
  }
end

-- A bucket's key is its number as text, "b12", so that the table can also be sent. In order:
local function numbers_of(side)
  local numbers = {}
  for key in pairs(side) do
    local number = math.tointeger(tonumber(key:match "^b(-?%d+)$"))
    if number then numbers[#numbers + 1] = number end
  end
  table.sort(numbers)
  return numbers
end

-- The lowest quarter becomes one bucket: not one by one, which would cost as much each time.
local function collapse(side)
  local numbers, sum = numbers_of(side), 0
  local last = #numbers // 4
  for i = 1, last do
    local key = "b" .. numbers[i]
    sum, side[key] = sum + side[key], nil
  end
  side.floor, side.used = numbers[last], #numbers - last + 1
  side["b" .. side.floor] = sum
end

local function count_in(side, amount)
  local number = math.ceil(math.log(amount) / LOG_GAMMA)
  if side.floor and number < side.floor then number = side.floor end
  local key = "b" .. number
  if side[key] then
    side[key] = side[key] + 1
    return
  end
  side[key], side.used = 1, side.used + 1
  if side.used > BUCKETS_MAX then collapse(side) end
end

-- Counts one number.
function stats.add(s, value)
  value = check(value)
  s.count = s.count + 1
  local delta = value - s.mean
  s.mean = s.mean + delta / s.count
  s.spread = s.spread + delta * (value - s.mean)
  if not s.min or value < s.min then s.min = value end
  if not s.max or value > s.max then s.max = value end
  if value > 0 then
    count_in(s.above, value)
  elseif value < 0 then
    count_in(s.below, -value)
  else
    s.zeros = s.zeros + 1
  end
end

-- Of all that was counted; nil when that is nothing.
function stats.mean(s) return s.count > 0 and s.mean or nil end

-- Of a sample (n - 1); nil below two numbers.
function stats.variance(s) return s.count > 1 and s.spread / (s.count - 1) or nil end

function stats.deviation(s)
  local variance = stats.variance(s)
  return variance and math.sqrt(variance)
end

-- In the midst of a bucket's borders.
local function amount(number)
  return 2 * math.exp(number * LOG_GAMMA) / (1 + math.exp(LOG_GAMMA))
end

-- The value below which this part of all numbers lies, 0 to 1; nil when there are none.
function stats.quantile(s, part)
  if type(part) ~= "number" or not (part >= 0 and part <= 1) then
    error("stats.quantile: a part from 0 to 1 is needed, as in 0.95", 2)
  end
  if s.count == 0 then return nil end
  if part == 0 then return s.min end
  if part == 1 then return s.max end
  local left = math.floor(part * (s.count - 1))
  local function within(value) return math.max(s.min, math.min(s.max, value)) end
  local below = numbers_of(s.below)
  for i = #below, 1, -1 do
    left = left - s.below["b" .. below[i]]
    if left < 0 then return within(-amount(below[i])) end
  end
  left = left - s.zeros
  if left < 0 then return 0.0 end
  for _, number in ipairs(numbers_of(s.above)) do
    left = left - s.above["b" .. number]
    if left < 0 then return within(amount(number)) end
  end
  return s.max
end

-- A table for a message.
function stats.summary(s)
  return {
    count = s.count, mean = stats.mean(s), deviation = stats.deviation(s), min = s.min, max = s.max,
  }
end

-- The exact quantile of a list, between two neighbours in proportion; nil of an empty one.
function stats.quantile_of(list, part)
  if type(part) ~= "number" or not (part >= 0 and part <= 1) then
    error("stats.quantile_of: a part from 0 to 1 is needed, as in 0.95", 2)
  end
  local sorted = {}
  for i, value in ipairs(list) do sorted[i] = check(value) end
  if #sorted == 0 then return nil end
  table.sort(sorted)
  local place = 1 + part * (#sorted - 1)
  local low = math.floor(place)
  local high = math.min(low + 1, #sorted)
  return sorted[low] + (place - low) * (sorted[high] - sorted[low])
end

return stats
