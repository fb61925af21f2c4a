-- Tries again what the world has refused for the moment, with growing pauses.
--
--   local retry = require "haggle.retry"
--   local reply, why, code = retry.call(function()
--     return agent.ask(seller, "quote/1.0/ask", { city = "Graz" }, { within = "5s" })
--   end, { attempts = 5, delay = "1s", max = "1m" })
--
-- The handler suspends between two attempts, and like any handler that waits it survives its host:
-- a call in its third attempt is in its third attempt after a restart.
local haggle = require "haggle"

local retry = {}

-- What passes by itself. Not "unconfirmed": that may have been handled.
local PASSING = { "timeout", "undeliverable", "mailbox_full", "limit" }

local KNOWN = { attempts = true, delay = true, factor = true, max = true, jitter = true, on = true }

local function number(options, name, default, least)
  local value = options[name]
  if value == nil then return default end
  if type(value) ~= "number" or not (value >= least and value < math.huge) then
    error("retry: " .. name .. " is a number from " .. least, 4)
  end
  return value
end

local function read(options)
  for name in pairs(options) do
    if not KNOWN[name] then
      error("retry: unknown option '" .. tostring(name)
        .. "', known: attempts, delay, factor, max, jitter, on", 3)
    end
  end
  local on = {}
  for _, code in ipairs(options.on or PASSING) do on[code] = true end
  return {
    attempts = math.floor(number(options, "attempts", 3, 1)),
    delay = haggle.duration(options.delay or "1s"),
    factor = number(options, "factor", 2, 1), max = haggle.duration(options.max or "1m"),
    jitter = math.min(1, number(options, "jitter", 0.1, 0)), on = on,
  }
end

-- Calls fn(attempt), up to `attempts` (3) times, as long as it returns nil, why, code with one of
-- the codes `on` ("timeout", "undeliverable", "mailbox_full", "limit"). Before the second there is
-- a pause of `delay` ("1s"), each further is `factor` (2) times as long, up to `max` ("1m");
-- `jitter` (0.1): each is longer or shorter by up to this part, so that many do not come back at
-- once. Returns what fn returned last. What fn raises is not caught. Suspends.
function retry.call(fn, options)
  local how = read(options or {})
  local pause = how.delay
  for attempt = 1, how.attempts do
    local got = table.pack(fn(attempt))
    if got[1] ~= nil or not how.on[got[3]] or attempt >= how.attempts then
      return table.unpack(got, 1, got.n)
    end
    local least = math.min(pause, how.max)
    agent.sleep(math.floor(least * (1 + how.jitter * (2 * math.random() - 1))))
    pause = least * how.factor
  end
end

return retry
