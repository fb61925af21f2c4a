-- Watches prices behind an HTTP API and tells those who asked: once when a price crosses the limit
-- that they named, and again only after it has come back. Needs net=HOST:PORT for the API's host,
-- and secret=NAME where the API wants a key.
local haggle = require "haggle"
local http = require "haggle.http"

local config = agent.config
local URL = config.url or "https://prices.example.org/v1/price" -- answers {"price": number}
local EVERY = config.every or "1m"
local HISTORY = config.history or 100 -- prices kept of each symbol
local FAILURES = config.failures or 5 -- in a row, before subscribers are told
local SUBSCRIPTIONS = config.subscriptions or 500 -- of all subscribers together
local LASTS, LASTS_MAX = haggle.duration "7d", haggle.duration "90d"

agent.describe { name = "watcher", version = 1, about = "Tells when prices cross a limit" }

local symbol, price = { type = "string", min = 1, max = 50 }, "number"

agent.protocol {
  name = "watch", version = "1.0", roles = { "subscriber", "watcher" },
  messages = {
    subscribe = {
      from = "subscriber", opening = true, replies = { "subscribed" },
      body = { symbol = symbol, above = "number?", below = "number?", lasts = "string?" },
    },
    subscribed = {
      from = "watcher", body = { symbol = symbol, ends = "integer" },
      follows = { "alert", "trouble", "over" }, replies = { "unsubscribe" },
    },
    alert = {
      from = "watcher", body = { symbol = symbol, price = price, at = "integer" },
      follows = { "alert", "trouble", "over" }, replies = { "unsubscribe" },
    },
    trouble = {
      from = "watcher", body = { symbol = symbol, why = "string" },
      follows = { "alert", "trouble", "over" }, replies = { "unsubscribe" },
    },
    unsubscribe = { from = "subscriber", body = {} },
    over = { from = "watcher", body = { symbol = symbol } },
    history = { from = "subscriber", opening = true, body = { symbol = symbol },
      replies = { "prices" } },
    prices = {
      from = "watcher", body = { symbol = symbol, prices = { type = "list", of = "map" } },
    },
  },
}
agent.offer { service = "price.alerts", protocol = "watch/1.0" }

agent.on_start(function(reason)
  if reason == "created" then state.symbols, state.subscriptions, state.count = {}, {}, 0 end
end)

-- Subscriptions ----------------------------------------------------------------------------------

local function symbol_of(name)
  if not state.symbols[name] then
    state.symbols[name] = { prices = {}, subscribers = 0, failures = 0 }
  end
  return state.symbols[name]
end

local function forget(thread)
  local subscription = state.subscriptions[thread]
  if not subscription then return end
  local known = symbol_of(subscription.symbol)
  known.subscribers, state.count = known.subscribers - 1, state.count - 1
  if known.subscribers == 0 then state.symbols[subscription.symbol] = nil end
  state.subscriptions[thread] = nil
  agent.cancel("over", thread)
end

-- In ms, or nil for what is no duration: it is the subscriber's word.
local function lasting(text)
  local ok, ms = pcall(haggle.duration, text or LASTS)
  return ok and ms > 0 and math.min(ms, LASTS_MAX) or nil
end

agent.on("watch/1.0/subscribe", function(message)
  local body, lasts = message.body, lasting(message.body.lasts)
  if not body.above and not body.below then
    return message:refuse("say above or below what", "invalid")
  end
  if not lasts then return message:refuse("lasts is a duration, as in 7d", "invalid") end
  if state.count >= SUBSCRIPTIONS then return message:refuse("too many subscribe", "limit") end
  state.subscriptions[message.thread] = {
    symbol = body.symbol, above = body.above, below = body.below, ref = message:ref(),
    armed = true,
  }
  local known = symbol_of(body.symbol)
  known.subscribers, state.count = known.subscribers + 1, state.count + 1
  agent.after("over", lasts, message.thread)
  message:reply("subscribed", { symbol = body.symbol, ends = haggle.now() + lasts })
end)

agent.on("watch/1.0/unsubscribe", function(message) forget(message.thread) end)

agent.on_timer("over", function(thread)
  local subscription = state.subscriptions[thread]
  if not subscription then return end
  agent.reply(subscription.ref, "over", { symbol = subscription.symbol })
  forget(thread)
end)

agent.on_undelivered(function(message) forget(message.thread) end)

-- Prices -----------------------------------------------------------------------------------------

local function crossed(subscription, current)
  return subscription.above and current > subscription.above or
    subscription.below and current < subscription.below or false
end

local function tell(name, performative, body)
  for _, subscription in pairs(state.subscriptions) do
    if subscription.symbol == name then agent.reply(subscription.ref, performative, body) end
  end
end

local function note(name, current)
  local known = state.symbols[name]
  if not known then return end -- everybody has left meanwhile
  known.failures = 0
  known.prices[#known.prices + 1] = { at = haggle.now(), price = current }
  if #known.prices > HISTORY then table.remove(known.prices, 1) end
  for _, subscription in pairs(state.subscriptions) do
    if subscription.symbol == name then
      local now_crossed = crossed(subscription, current)
      if now_crossed and subscription.armed then
        agent.reply(subscription.ref, "alert",
          { symbol = name, price = current, at = haggle.now() })
      end
      subscription.armed = not now_crossed
    end
  end
end

local function fail(name, why)
  local known = state.symbols[name]
  if not known then return end
  known.failures = known.failures + 1
  log.warn("no price", { symbol = name, why = why, failures = known.failures })
  if known.failures == FAILURES then tell(name, "trouble", { symbol = name, why = why }) end
end

local function fetch(name)
  local headers = config.secret and { Authorization = "Bearer " .. haggle.secret(config.secret) }
  local answer, why = http.get(URL, {
    query = { symbol = name }, headers = headers, within = "10s",
  })
  if not answer then return nil, why end
  if not answer.ok then return nil, "the API answers " .. answer.status end
  local current = answer.json and answer.json.price
  if type(current) ~= "number" then return nil, "the API's answer has no price" end
  return current + 0.0
end

agent.every("look", EVERY, function()
  local wanted = {}
  for name in pairs(state.symbols) do wanted[#wanted + 1] = name end
  for _, name in ipairs(wanted) do
    local current, why = fetch(name) -- waits: others may subscribe meanwhile
    if current then note(name, current) else fail(name, why) end
  end
end)

agent.on("watch/1.0/history", function(message)
  local known, list = state.symbols[message.body.symbol], haggle.array {}
  for i, entry in ipairs(known and known.prices or {}) do
    list[i] = { at = entry.at, price = entry.price }
  end
  message:reply("prices", { symbol = message.body.symbol, prices = list })
end)
