---@meta haggle.time

---Dates, time zones and ISO 8601. A time is a Unix time in ms; a zone is a name of the tz database, an offset, or "UTC", which it is when left out: one that is not known gives nil, why, "not_found".
---@class haggle.time
local time = {}

---@class haggle.time.Fields
---@field year integer
---@field month? integer
---@field day? integer
---@field hour? integer
---@field minute? integer
---@field second? integer
---@field ms? integer
---@field weekday? integer Monday is 1
---@field yearday? integer
---@field offset? integer in ms
---@field zone? string its short name
---@field daylight? boolean

---@class haggle.time.Period
---@field years? integer
---@field months? integer
---@field weeks? integer
---@field days? integer
---@field hours? integer
---@field minutes? integer
---@field seconds? integer
---@field ms? integer

---@alias haggle.time.Unit "year"|"month"|"week"|"day"|"hour"|"minute"|"second"

---The host's clock.
---@return integer ms
function time.now() end

---Of "2026-03-29", "2026-03-29T01:00:00.250Z" and the like; of the zone when the text names no offset.
---@param text string
---@param zone? string
---@return integer? ms
---@return string? why
---@return haggle.Code? code
function time.parse(text, zone) end

---RFC 3339.
---@param ms integer
---@param zone? string
---@return string? text
---@return string? why
---@return haggle.Code? code
function time.format(ms, zone) end

---What a calendar and a clock show then.
---@param ms integer
---@param zone? string
---@return haggle.time.Fields? fields
---@return string? why
---@return haggle.Code? code
function time.fields(ms, zone) end

---The time of such fields; what is out of range goes on into the next.
---@param fields haggle.time.Fields
---@param zone? string
---@return integer? ms
---@return string? why
---@return haggle.Code? code
function time.from(fields, zone) end

---Later by a period, "P1M", or a duration.
---@param ms integer
---@param period haggle.time.Period|string|integer
---@param zone? string
---@return integer? ms
---@return string? why
---@return haggle.Code? code
function time.add(ms, period, zone) end

---When the unit began.
---@param ms integer
---@param unit haggle.time.Unit
---@param zone? string
---@return integer? ms
---@return string? why
---@return haggle.Code? code
function time.start_of(ms, unit, zone) end

---How many whole units lie between two times.
---@param from integer
---@param to integer
---@param unit haggle.time.Unit
---@param zone? string
---@return integer? count
---@return string? why
---@return haggle.Code? code
function time.between(from, to, unit, zone) end

---{ months, days, ms } of "P1Y2M3DT4H5M6S".
---@param text string
---@return haggle.time.Period? period
---@return string? why
---@return haggle.Code? code
function time.period(text) end

return time
