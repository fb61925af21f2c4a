-- The protocol between an auctioneer and its bidders, declared by both.
--
-- A bid is one dialogue: it leads or is rejected at once; the one that leads is told later that it
-- was outbid or has won. Prices are integers in the smallest unit of money, times Unix time in ms.
-- They are bounded, so that a step above any of them is still one.
local lot = { type = "string", min = 1, max = 100 }
local price = { type = "integer", min = 0, max = 1000000000000000 }

return {
  name = "auction", version = "1.0", roles = { "bidder", "auctioneer" },
  messages = {
    catalogue = { from = "bidder", body = {}, replies = { "lots" } },
    lots = { from = "auctioneer", body = { lots = { type = "list", of = "map" } } },
    bid = {
      from = "bidder", body = { lot = lot, price = price }, replies = { "leading", "rejected" },
    },
    leading = {
      from = "auctioneer", body = { lot = lot, price = price, ends = "integer" },
      follows = { "outbid", "won" },
    },
    rejected = {
      from = "auctioneer", body = { lot = lot, why = "string", least = "integer?" },
    },
    outbid = { from = "auctioneer", body = { lot = lot, price = price } },
    won = { from = "auctioneer", body = { lot = lot, price = price } },
  },
}
