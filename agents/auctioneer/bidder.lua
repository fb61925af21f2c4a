-- Bids in every auction that it finds, for lots that it wants, up to what each is worth to it.
local definition = require "auction"

local config = agent.config
local WORTH = config.worth or {} -- lot → the most that is bid for it

agent.describe { name = "bidder", version = 1, about = "Bids in auctions" }
agent.protocol(definition)

agent.on_start(function(reason)
  if reason == "created" then state.leading, state.won = {}, {} end
end)

-- What the maps of a list hold is the auctioneer's word, which no declaration checks.
local function consider(auctioneer, lot)
  local worth = type(lot.lot) == "string" and WORTH[lot.lot]
  if math.type(lot.least) ~= "integer" or lot.least < 0 then return end
  if lot.status ~= "open" or lot.yours or not worth or lot.least > worth then return end
  agent.send(auctioneer, "auction/1.0/bid", { lot = lot.lot, price = lot.least })
end

local function look(auctioneer)
  local reply = agent.ask(auctioneer, "auction/1.0/catalogue", {}, { within = "5s" })
  if not reply then return end
  for _, lot in ipairs(reply.body.lots) do consider(auctioneer, lot) end
end

agent.every("look", config.every or "5s", function()
  for _, offer in ipairs(agent.find { service = "auction", limit = 5 }) do look(offer.agent) end
end)

agent.on("auction/1.0/leading", function(message)
  state.leading[message.body.lot] = message.body.price
end)

agent.on("auction/1.0/outbid", function(message)
  state.leading[message.body.lot] = nil
  look(message.from)
end)

agent.on("auction/1.0/rejected", function(message)
  log.debug("rejected", { lot = message.body.lot, why = message.body.why })
end)

agent.on("auction/1.0/won", function(message)
  local lot, price = message.body.lot, message.body.price
  state.leading[lot], state.won[lot] = nil, price
  log.info("won", { lot = lot, price = price, worth = WORTH[lot] })
end)
