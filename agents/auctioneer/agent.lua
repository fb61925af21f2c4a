-- Sells lots to whoever bids most (an English auction). Each lot is open for a time; a bid in its
-- last moments prolongs it, so that nobody wins by being the last. The winning bid is kept as
-- evidence: it proves to anyone what its bidder offered.
local haggle = require "haggle"
local definition = require "auction"

local config = agent.config
local LOTS = config.lots or { { id = "vase", title = "A vase", from = 100 } }
local LASTS = haggle.duration(config.lasts or "5m")
local PROLONG = haggle.duration(config.prolong or "30s")
local STEP = config.step or 10 -- a bid is at least so much above the one before

agent.describe { name = "auctioneer", version = 1, about = "Sells to whoever bids most" }
agent.protocol(definition)
agent.offer { service = "auction", protocol = "auction/1.0", lots = #LOTS }

local function open_lot(lot)
  local ends = haggle.now() + LASTS
  state.lots[lot.id] = {
    title = lot.title, from = lot.from, status = "open", ends = ends, bids = 0,
  }
  agent.after("close", LASTS, lot.id)
end

agent.on_start(function(reason)
  if reason == "created" then state.lots, state.earned = {}, 0 end
  for _, lot in ipairs(LOTS) do
    if not state.lots[lot.id] then open_lot(lot) end
  end
end)

local function least(lot)
  return lot.price and lot.price + STEP or lot.from
end

agent.on("auction/1.0/catalogue", function(message)
  local lots = haggle.array {}
  for id, lot in pairs(state.lots) do
    lots[#lots + 1] = {
      lot = id, title = lot.title, status = lot.status, ends = lot.ends, least = least(lot),
      price = lot.price, bids = lot.bids, yours = lot.leader == message.from,
    }
  end
  message:reply("lots", { lots = lots })
end)

-- Later bids of the leader itself are raises: it is outbid by nobody then.
local function replace_leader(id, lot, price)
  if lot.bid then agent.reply(lot.bid, "outbid", { lot = id, price = price }) end
end

local function prolong(id, lot)
  if lot.ends - haggle.now() >= PROLONG then return end
  lot.ends = haggle.now() + PROLONG
  agent.after("close", PROLONG, id)
end

agent.on("auction/1.0/bid", function(message)
  local id, price = message.body.lot, message.body.price
  local lot = state.lots[id]
  local function reject(why) message:reply("rejected", { lot = id, why = why,
    least = lot and lot.status == "open" and least(lot) or nil }) end
  if not lot then return reject "there is no such lot" end
  if lot.status ~= "open" then return reject("the lot is " .. lot.status) end
  if price < least(lot) then return reject "too low" end
  replace_leader(id, lot, price)
  lot.price, lot.leader, lot.bid, lot.bids = price, message.from, message:ref(), lot.bids + 1
  prolong(id, lot)
  agent.keep(message)
  log.info("bid", { lot = id, price = price, bids = lot.bids })
  message:reply("leading", { lot = id, price = price, ends = lot.ends })
end)

agent.on_timer("close", function(id)
  local lot = state.lots[id]
  if not lot or lot.status ~= "open" then return end
  if not lot.bid then
    lot.status = "unsold"
    return
  end
  lot.status = "sold"
  state.earned = state.earned + lot.price
  local won = agent.reply(lot.bid, "won", { lot = id, price = lot.price })
  agent.keep(won)
  agent.deal {
    id = lot.bid.thid, status = "agreed", service = "auction." .. id, price = lot.price,
    counterparty = lot.leader, role = "seller", messages = { lot.bid.id, won },
  }
  log.info("sold", { lot = id, price = lot.price, bids = lot.bids })
  lot.bid = nil
end)
