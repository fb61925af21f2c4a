-- Wraps a REST API and sells its answers by the call: each deal of haggle.market is one request,
-- made when the price is agreed and signed. The buyer never sees the API's key, and pays only for
-- what it got. Needs net=HOST:PORT for the API's host, and secret=NAME where it wants a key.
local haggle = require "haggle"
local http = require "haggle.http"
local market = require "haggle.market"

local config = agent.config
-- What is sold: { service =, url =, asking =, floor =, keep = how long an answer is sold again }.
local ENDPOINTS = config.endpoints or {
  { service = "weather.now", url = "https://api.example.org/weather/now", asking = 4, floor = 2,
    keep = "1m" },
}

agent.describe { name = "gateway", version = 1, about = "Sells the answers of a REST API" }

agent.on_start(function(reason)
  if reason == "created" then state.requests, state.earned, state.kept = 0, 0, {} end
end)

local function headers()
  if not config.secret then return nil end
  return { [config.header or "Authorization"] = (config.scheme or "Bearer ") ..
    haggle.secret(config.secret) }
end

-- The API's answer, as far as it can be sold; or nil, why.
local function request(endpoint)
  state.requests = state.requests + 1
  local answer, why = http.get(endpoint.url, { headers = headers(), within = "10s", max = "64KB" })
  if not answer then return nil, why end
  if not answer.ok then return nil, "the API answers " .. answer.status end
  if type(answer.json) ~= "table" then return nil, "the API's answer is no JSON object" end
  return { at = haggle.now(), value = answer.json }
end

-- An answer that is still good is sold again: the API's own limits are not the buyers' problem.
local function fresh(endpoint)
  local kept = state.kept[endpoint.service]
  local good_for = haggle.duration(endpoint.keep or 0)
  if kept and haggle.now() - kept.at <= good_for then
    return { at = kept.at, value = kept.value }
  end
  local got, why = request(endpoint)
  if got and good_for > 0 then state.kept[endpoint.service] = got end
  return got, why
end

for _, endpoint in ipairs(ENDPOINTS) do
  market.sell {
    service = endpoint.service,
    asking = endpoint.asking,
    floor = endpoint.floor or endpoint.asking,
    attributes = { via = "http" },
    within = "15s",
    deliver = function()
      local got, why = fresh(endpoint)
      if not got then return nil, why end
      return { answer = got.value, age = haggle.now() - got.at }
    end,
    on_delivered = function(deal)
      state.earned = state.earned + deal.price
      log.info("sold", { service = endpoint.service, price = deal.price })
    end,
    on_breach = function(deal, why)
      log.warn("not delivered", { service = endpoint.service, deal = deal.id, why = why })
    end,
  }
end
