-- Dates, time zones, ISO 8601.
--
--   local time = require "haggle.time"
--   time.format(time.now(), "Europe/Vienna")          -- "2026-03-29T03:00:00+02:00"
--   local at, why = time.parse "2026-03-29T01:00:00Z" -- Unix time in ms
--   local due = time.add(at, { months = 1 }, "Europe/Vienna")
--   local midnight = time.start_of(at, "day", "Europe/Vienna")
--
-- Times are Unix times in ms, of the years 1 to 9999. A zone is a name of the tz database
-- ("Europe/Vienna"), an offset ("+02:00"), or "UTC", which it is when absent. What takes one gives
-- nil, why, "not_found" for a zone that the host does not know. Where clocks are changed, a local
-- time that does not exist means the end of the gap, and one that exists twice the first of the
-- two.
local haggle = require "haggle"
local native = require "haggle.native.time"

local time = {}

local DAY_MS = 86400000
local UNITS = { "year", "month", "week", "day", "hour", "minute", "second" }

-- Seconds, when the zone is an offset or UTC.
local function fixed_offset(zone)
  if zone == nil or zone == "UTC" or zone == "Z" then return 0 end
  if type(zone) ~= "string" then error("a time zone is text like \"Europe/Vienna\"", 3) end
  local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d%d)$"
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then return nil end
  return (sign == "-" and -1 or 1) * (tonumber(hours) * 3600 + tonumber(minutes) * 60)
end

-- The offset of the zone at this time in ms, its short name, whether it is daylight saving time.
local function zone_at(ms, zone)
  local fixed = fixed_offset(zone)
  if fixed then return fixed * 1000, zone or "UTC", false end
  local span, why, code = native.zone_at(zone, ms)
  if not span then return nil, why, code end
  return span.offset * 1000, span.name, span.daylight
end

local function local_to_unix(ms, zone)
  local fixed = fixed_offset(zone)
  if fixed then return ms - fixed * 1000 end
  local found, why, code = native.zone_unix(zone, ms)
  if not found then return nil, why, code end
  if found.gap then return found.first * 1000 end
  return found.first * 1000 + ms % 1000
end

-- The host's clock.
time.now = haggle.now

-- "2026-03-29", "2026-03-29T01:00:00.250Z", "…+02:00", also without dashes and colons; of `zone`
-- when the text names no offset. Or nil, why, "invalid".
function time.parse(text, zone)
  local ms, offset, code = native.parse(text)
  if not ms then return nil, offset, code end
  if offset then return ms - offset * 1000 end
  return local_to_unix(ms, zone)
end

-- RFC 3339, with the offset of the zone: "2026-03-29T03:00:00+02:00".
function time.format(ms, zone)
  local offset, why, code = zone_at(ms, zone)
  if not offset then return nil, why, code end
  return native.format(ms + offset, offset // 1000)
end

-- { year, month, day, hour, minute, second, ms, weekday (Monday is 1), yearday, offset (in ms),
-- zone ("CEST"), daylight }
function time.fields(ms, zone)
  local offset, name, daylight = zone_at(ms, zone)
  if not offset then return nil, name, daylight end
  local fields = { offset = offset, zone = name, daylight = daylight }
  fields.year, fields.month, fields.day, fields.hour, fields.minute, fields.second, fields.ms,
    fields.weekday, fields.yearday = native.civil(ms + offset)
  return fields
end

-- The time of { year, month, day, hour, minute, second, ms }; month and day are 1 and the others 0
-- when absent. What is out of range goes on into the next: month 13, day 0, hour 25.
function time.from(fields, zone)
  if type(fields) ~= "table" or not fields.year then error("a time needs its year", 2) end
  return local_to_unix(native.local_ms(fields.year, fields.month, fields.day, fields.hour,
    fields.minute, fields.second, fields.ms), zone)
end

-- A table of "P1Y2M3DT4H5M6S": { months, days, ms }; or nil, why, "invalid".
function time.period(text)
  local months, days, ms = native.period(text)
  if not months then return nil, days, ms end
  return { months = months, days = days, ms = ms }
end

-- Of a period table with any of years, months, weeks, days, hours, minutes, seconds, ms.
local function amounts(period)
  local known = { years = 12, months = 1, weeks = 7, days = 1, hours = 3600000, minutes = 60000,
    seconds = 1000, ms = 1 }
  local sums = { months = 0, days = 0, ms = 0 }
  for unit, amount in pairs(period) do
    if not known[unit] then error("a period has no '" .. tostring(unit) .. "'", 3) end
    if math.type(amount) ~= "integer" then error(unit .. " must be an integer", 3) end
    local sum = (unit == "years" or unit == "months") and "months"
      or (unit == "weeks" or unit == "days") and "days" or "ms"
    sums[sum] = sums[sum] + amount * known[unit]
  end
  return sums.months, sums.days, sums.ms
end

-- ms later by a period: a table ({ months = 1, days = -2, hours = 3 }), "P1M", or a duration
-- ("90m", ms). Months keep the day of the month, or end with the month (31 January + 1 month is 28
-- February); months and days keep the time of day in the zone; the rest is time that passes.
function time.add(ms, period, zone)
  local months, days, rest
  if type(period) == "table" then
    months, days, rest = amounts(period)
  elseif type(period) == "string" and period:find "^[+-]?P" then
    months, days, rest = native.period(period)
    if not months then return nil, days, rest end
  else
    months, days, rest = 0, 0, haggle.duration(period)
  end
  if months ~= 0 or days ~= 0 then
    local offset, why, code = zone_at(ms, zone)
    if not offset then return nil, why, code end
    local year, month, day, hour, minute, second, fraction = native.civil(ms + offset)
    if months ~= 0 then
      local count = year * 12 + month - 1 + months
      year, month = count // 12, count % 12 + 1
      if year < 1 or year > 9999 then error("a time outside the years 1 to 9999", 2) end
      day = math.min(day, native.month_days(year, month))
    end
    ms = local_to_unix(native.local_ms(year, month, day + days, hour, minute, second, fraction),
      zone)
  end
  return ms + rest
end

-- When the year, month, week (Monday), day, hour, minute or second began in which `ms` lies.
function time.start_of(ms, unit, zone)
  local offset, why, code = zone_at(ms, zone)
  if not offset then return nil, why, code end
  local year, month, day, _, minute, second, fraction, weekday = native.civil(ms + offset)
  if unit == "second" then return ms - fraction end
  if unit == "minute" then return ms - fraction - second * 1000 end
  if unit == "hour" then return ms - fraction - second * 1000 - minute * 60000 end
  if unit == "week" then
    day = day - weekday + 1
  elseif unit == "month" then
    day = 1
  elseif unit == "year" then
    month, day = 1, 1
  elseif unit ~= "day" then
    error("start_of takes " .. table.concat(UNITS, ", "), 2)
  end
  return local_to_unix(native.local_ms(year, month, day), zone)
end

-- How many whole units (see start_of) lie from one time to another; negative when `to` is earlier.
-- Months, weeks and days are those of the zone.
function time.between(from, to, unit, zone)
  local lengths = { week = 7 * DAY_MS, day = DAY_MS, hour = 3600000, minute = 60000, second = 1000 }
  if from > to then
    local count, why, code = time.between(to, from, unit, zone)
    if not count then return nil, why, code end
    return -count
  end
  if unit == "hour" or unit == "minute" or unit == "second" then
    return (to - from) // lengths[unit]
  end
  local offset, why, code = zone_at(from, zone)
  if not offset then return nil, why, code end
  local local_from, local_to = from + offset, to + zone_at(to, zone)
  if lengths[unit] then return (local_to - local_from) // lengths[unit] end
  if unit ~= "month" and unit ~= "year" then
    error("between takes " .. table.concat(UNITS, ", "), 2)
  end
  local year, month = native.civil(local_from)
  local last_year, last_month = native.civil(local_to)
  local count = (last_year - year) * 12 + last_month - month
  if count > 0 and time.add(from, { months = count }, zone) > to then count = count - 1 end
  return unit == "year" and count // 12 or count
end

return time
