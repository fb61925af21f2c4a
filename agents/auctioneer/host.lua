-- Three bidders for two lots: haggle run --config agents/auctioneer/host.lua
local function bidder(name, vase, clock)
  return {
    name = name, script = "bidder.lua",
    config = { every = "2s", worth = { vase = vase, clock = clock } },
  }
end

return {
  listen = "127.0.0.1:0",
  agents = {
    { name = "auctioneer", script = "agent.lua", config = {
      lasts = "30s", prolong = "5s", step = 10,
      lots = {
        { id = "vase", title = "A vase, slightly chipped", from = 100 },
        { id = "clock", title = "A clock that runs", from = 250 },
      },
    } },
    bidder("iris", 180, 300),
    bidder("jan", 240, 260),
    bidder("kim", 205, 410),
  },
}
