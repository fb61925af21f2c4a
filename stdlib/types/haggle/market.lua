---@meta haggle.market

---Two agents agree on a price, sign the same terms, and deliver.
---@class haggle.market
---@field protocol string "market/1.0"
---@field definition haggle.Protocol
---@field strategies table<string, fun(position: haggle.market.Position): integer> rules: `split`, `boulware`, `linear`, `conceder`, `tit_for_tat`, `firm`
local market = {}

---@class haggle.market.Deal
---@field id string
---@field service string
---@field price integer in the smallest unit of money
---@field rounds integer
---@field role "seller"|"buyer"
---@field counterparty string a did
---@field within integer ms

---@class haggle.market.Position
---@field role "seller"|"buyer"
---@field limit integer floor or ceiling
---@field own integer its last price
---@field own_before integer the one before (its first, if there was none)
---@field own_first integer its first; of a seller, what it asks
---@field theirs integer the other's last price
---@field theirs_before integer
---@field theirs_first integer
---@field left integer offers that remain
---@field steps integer offers after its first price, in all
---@field rounds integer bids so far

---@class haggle.market.ModelStrategy
---@field model? string as the host names it ("market"); needs the grant `infer=model`
---@field fallback? string|fun(position: haggle.market.Position): integer a rule of `market.strategies`, where the model gives no answer ("linear")
---@field within? haggle.Duration how long the model may take ("50ms")
---@field delay? number what an offer costs, as a part of the ceiling or of what was asked (0)

---@class haggle.market.Sale
---@field service string
---@field asking integer the first price
---@field floor? integer the lowest (the asking price)
---@field deliver fun(deal: haggle.market.Deal): table?, string? nil, why: it is asked again
---@field reserve? fun(deal: haggle.market.Deal): boolean?, string?, string? in one transaction with the signature
---@field release? fun(deal: haggle.market.Deal, why: string) it fell through
---@field on_delivered? fun(deal: haggle.market.Deal)
---@field on_breach? fun(deal: haggle.market.Deal, why: string)
---@field attributes? table<string, haggle.Value> further fields of the offer
---@field patience? integer how many offers
---@field strategy? string|haggle.market.ModelStrategy a rule of `market.strategies` ("split"), or "model", which needs the grant `infer=market`
---@field concede? fun(position: haggle.market.Position): integer?, string? instead of it: the next price, or nil, why: it leaves
---@field within? haggle.Duration the least time it takes on
---@field wait? haggle.Duration for an answer
---@field attempts? integer of a delivery
---@field retry? haggle.Duration of a delivery

---@class haggle.market.Purchase
---@field service string
---@field ceiling integer|fun(): integer? the highest price
---@field on_result? fun(deal: haggle.market.Deal, result: table)
---@field opening? integer the first bid (half the ceiling)
---@field reserve? fun(deal: haggle.market.Deal): boolean?, string?
---@field release? fun(deal: haggle.market.Deal, why: string)
---@field on_breach? fun(deal: haggle.market.Deal, why: string)
---@field every? haggle.Duration how often to look for a seller ("10s")
---@field where? table<string, any> which sellers, as in `agent.find`
---@field order? string which first ("price")
---@field parallel? integer negotiations at a time (1)
---@field sellers? integer of the offers found, how many are considered (20)
---@field patience? integer bids before the last word (5)
---@field strategy? string|haggle.market.ModelStrategy a rule of `market.strategies` ("split"), or "model", which needs the grant `infer=market`
---@field concede? fun(position: haggle.market.Position): integer?, string? instead of it: the next price, or nil, why: it leaves
---@field within? haggle.Duration when a delivery is due ("60s")
---@field wait? haggle.Duration for an answer ("30s")
---@field pause? haggle.Duration how long a seller is left alone after no deal was made ("30s")

---Sells a service; the offer is found by it, by its price and by `attributes`. For the top level.
---@param options haggle.market.Sale
function market.sell(options) end

---Buys a service again and again. For the top level.
---@param options haggle.market.Purchase
function market.buy(options) end

---The next price of a side that moves towards the other in equal steps.
---@param position haggle.market.Position
---@return integer
function market.split(position) end

return market
