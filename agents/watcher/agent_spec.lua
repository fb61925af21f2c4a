local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local URL = "https://prices.example.org/v1/price"

-- `prices`: symbol → price, or a function of the request; what a spec changes counts at once.
local function watcher(prices, config)
  local world = test.world()
  world:agent { name = "watcher", script = "agent.lua", config = config,
    allow = { "net=prices.example.org:443", "secret=key" } }
  local seen = {}
  world:http(function(request)
    seen[#seen + 1] = request
    local price = prices[request.url:match "symbol=(%w+)"]
    if type(price) == "function" then return price(request) end
    return { json = { price = price } }
  end)
  local peer = world:peer("reader", { handles = {
    "watch/1.0/subscribed", "watch/1.0/alert", "watch/1.0/trouble", "watch/1.0/over",
    "watch/1.0/prices",
  } })
  return world, peer, seen
end

local function subscribe(peer, body)
  peer:send("watcher", "watch/1.0/subscribe", body)
  return peer:expect "watch/1.0/subscribed"
end

describe("watcher", function()
  it("asks for what is watched, and for nothing else", function()
    local world, peer, seen = watcher { tea = 10 }
    world:advance "3m"
    expect(#seen):equals(0)
    subscribe(peer, { symbol = "tea", above = 20 })
    world:advance "1m"
    expect(seen[1].url):equals(URL .. "?symbol=tea")
  end)

  it("alerts once when a price crosses the limit, and again after it came back", function()
    local prices = { tea = 10 }
    local world, peer = watcher(prices)
    subscribe(peer, { symbol = "tea", above = 20 })
    world:advance "2m"
    expect(peer:take "watch/1.0/alert"):is_nil()
    prices.tea = 25
    expect(peer:expect("watch/1.0/alert", "1m").body):has { symbol = "tea", price = 25.0 }
    world:advance "5m"
    expect(peer:take "watch/1.0/alert"):is_nil()
    prices.tea = 15
    world:advance "1m"
    prices.tea = 21
    expect(peer:expect("watch/1.0/alert", "1m").body.price):equals(21.0)
  end)

  it("watches downwards as well", function()
    local prices = { tea = 10 }
    local _, peer = watcher(prices)
    subscribe(peer, { symbol = "tea", below = 5.5 })
    prices.tea = 5.25
    expect(peer:expect("watch/1.0/alert", "1m").body.price):equals(5.25)
  end)

  it("sends its key along", function()
    local world, peer, seen = watcher({ tea = 1 }, { secret = "key" })
    subscribe(peer, { symbol = "tea", above = 20 })
    world:advance "1m"
    expect(seen[1].headers.authorization):equals "Bearer [secret key]"
  end)

  it("tells of trouble when the API fails again and again, once", function()
    local failing = { tea = function() return { status = 500 } end }
    local world, peer = watcher(failing, { failures = 3 })
    subscribe(peer, { symbol = "tea", above = 20 })
    world:advance "2m"
    expect(peer:take "watch/1.0/trouble"):is_nil()
    expect(peer:expect("watch/1.0/trouble", "1m").body.why):equals "the API answers 500"
    world:advance "5m"
    expect(peer:take "watch/1.0/trouble"):is_nil()
  end)

  it("forgets who unsubscribes, and whose time is over", function()
    local prices = { tea = 10 }
    local world, peer, seen = watcher(prices)
    local first = subscribe(peer, { symbol = "tea", above = 20 })
    subscribe(peer, { symbol = "tea", above = 20, lasts = "90s" })
    peer:reply(first, "unsubscribe")
    world:advance "1m"
    expect(world:state("watcher").symbols.tea.subscribers):equals(1)
    expect(peer:expect("watch/1.0/over", "1m").body):equals { symbol = "tea" }
    local asked = #seen
    prices.tea = 30
    world:advance "5m"
    expect(#seen):equals(asked)
    expect(peer:take "watch/1.0/alert"):is_nil()
  end)

  it("refuses to watch for nothing", function()
    local world = watcher {}
    local _, _, code = world:ask("watcher", "watch/1.0/subscribe", { symbol = "tea" })
    expect(code):equals "invalid"
  end)

  it("is not confused by what a subscriber says, and takes so many", function()
    local world = watcher({}, { subscriptions = 2 })
    local function said(lasts)
      local body = { symbol = "tea", above = 1, lasts = lasts }
      local reply, _, code = world:ask("watcher", "watch/1.0/subscribe", body)
      return reply and reply.body.ends - world:now() or code
    end
    expect { said "soon", said "-5s", said "0s" }:equals { "invalid", "invalid", "invalid" }
    expect(said "300d"):equals(90 * 24 * 3600 * 1000)
    expect(said "1m"):equals(60000)
    expect(said "1m"):equals "limit"
    world:advance "2m"
    expect(said "1m"):equals(60000)
    expect(world:dead()):is_empty()
  end)

  it("forgets a symbol that nobody watches any more", function()
    local world, peer = watcher { tea = 10 }
    subscribe(peer, { symbol = "tea", above = 20, lasts = "90s" })
    world:advance "2m"
    expect(world:state("watcher")):equals { symbols = {}, subscriptions = {}, count = 0 }
  end)

  it("keeps the latest prices, and subscriptions across a restart", function()
    local prices = { tea = 1 }
    local world, peer = watcher(prices, { history = 3 })
    subscribe(peer, { symbol = "tea", above = 100 })
    for i = 1, 5 do
      prices.tea = i
      world:advance "1m"
    end
    world:restart()
    peer:send("watcher", "watch/1.0/history", { symbol = "tea" })
    local list = peer:expect("watch/1.0/prices").body.prices
    expect(#list):equals(3)
    expect(list[3].price):equals(5.0)
    prices.tea = 200
    expect(peer:expect("watch/1.0/alert", "1m").body.price):equals(200.0)
  end)
end)
