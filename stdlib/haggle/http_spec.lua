local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local AGENT = [[
local haggle, http = require "haggle", require "haggle.http"

agent.on("http/1.0/request", function(message)
  local options = message.body
  if options.key then options.headers = { Authorization = "Bearer " .. haggle.secret "key" } end
  options.key = nil
  local answer, why, code = http.request(options)
  message:reply("answer", { answer = answer or haggle.null, why = why, code = code })
end)

agent.on("http/1.0/order", function(message)
  state.begun = (state.begun or 0) + 1
  local answer, why, code = http.post("https://shop.example.org/orders",
    { json = { item = message.body.item }, repeat_safe = message.body.repeat_safe })
  state.outcome = answer and answer.status or code
end)

agent.on("http/1.0/wrong", function(message)
  local ok, why = pcall(http.request, message.body)
  message:reply("raised", { why = not ok and why or "nothing" })
end)
]]
local GRANTS = { "net=api.example.org:443", "net=shop.example.org:443", "secret=key" }

local function new_world(answer)
  local world = test.world()
  world:agent { name = "client", source = AGENT, allow = GRANTS }
  local seen = {}
  world:http(function(request)
    seen[#seen + 1] = request
    if type(answer) == "function" then return answer(request) end
    return answer
  end)
  return world, seen
end

local function request(world, options)
  return world:ask("client", "http/1.0/request", options).body
end

describe("haggle.http", function()
  it("sends a GET with its query and reads the answer", function()
    local world, seen = new_world { json = { temp = 21.5 } }
    local got = request(world, {
      url = "https://api.example.org/now?a=1#top",
      query = { city = "Graz & Wien", tag = { "x", "y" } },
    })
    expect(seen[1]):has {
      method = "GET", body = "", repeat_safe = true,
      url = "https://api.example.org/now?a=1&city=Graz%20%26%20Wien&tag=x&tag=y#top",
    }
    expect(got.answer):has { status = 200, ok = true, json = { temp = 21.5 } }
  end)

  it("sends JSON, forms and text, with their types", function()
    local world, seen = new_world { status = 201 }
    local url = "https://api.example.org/"
    request(world, { url = url, json = { n = 1, list = { "a" } } })
    request(world, { url = url, form = { a = "1 2", b = true } })
    request(world, { url = url, body = "plain", method = "PUT" })
    expect(seen[1]):has { method = "POST", json = { n = 1, list = { "a" } } }
    expect(seen[1].headers["content-type"]):equals "application/json"
    expect(seen[2]):has { method = "POST", body = "a=1%202&b=true" }
    expect(seen[2].headers["content-type"]):equals "application/x-www-form-urlencoded"
    expect(seen[3]):has { method = "PUT", body = "plain", headers = {} }
  end)

  it("takes any status for an answer", function()
    local world = new_world { status = 503, body = "later" }
    local got = request(world, { url = "https://api.example.org/" })
    expect(got.answer):has { status = 503, ok = false, body = "later" }
    expect(got.answer.json):is_nil()
  end)

  it("passes over JSON that is none", function()
    local world = new_world { body = "{", headers = { ["Content-Type"] = "application/json" } }
    local got = request(world, { url = "https://api.example.org/" })
    expect(got.answer.json):is_nil()
    expect(got.answer.body):equals "{"
  end)

  it("is denied what is not granted, and says what to grant", function()
    local world, seen = new_world {}
    local got = request(world, { url = "https://other.example.org/" })
    expect(got.code):equals "denied"
    expect(got.why):matches "client:net=other.example.org:443"
    expect(#seen):equals(0)
  end)

  it("shows a secret to nobody", function()
    local world, seen = new_world {}
    request(world, { url = "https://api.example.org/", key = true })
    expect(seen[1].headers.authorization):equals "Bearer [secret key]"
  end)

  it("sends a secret to no other host than the one that its grant names", function()
    local seen = {}
    local world = test.world()
    world:http(function(asked) seen[#seen + 1] = asked return {} end)
    world:agent { name = "client", source = AGENT,
      allow = { "net=*:443", "secret=key@api.example.org:443", "secret=key@[2001:db8::]:443" } }
    local got = request(world, { url = "https://api.example.org.evil.example/", key = true })
    expect(got.code):equals "denied"
    expect(got.why):matches "client:secret=key@api%.example%.org%.evil%.example:443"
    got = request(world, { url = "https://[2001:db8::1]/", key = true })
    expect(got.why):matches "client:secret=key@%[2001:db8::1%]:443"
    expect(seen):is_empty()
    request(world, { url = "https://other.example/" })
    request(world, { url = "https://API.example.org/", key = true })
    expect(seen[1].headers.authorization):is_nil()
    expect(seen[2].headers.authorization):equals "Bearer [secret key]"
  end)

  it("tells why there is no answer", function()
    local world = new_world(function() return nil, "no route", "unreachable" end)
    expect(request(world, { url = "https://api.example.org/" })):has {
      code = "unreachable", why = "no route" }
  end)

  it("waits no longer than it was told", function()
    local world = new_world(function() return nil end)
    local start = world:now()
    expect(request(world, { url = "https://api.example.org/", within = "2s" }).code)
      :equals "timeout"
    expect(world:now() - start):is_between(2000, 2100)
  end)

  it("does not know what came of a request when the host died", function()
    local world, seen = new_world(function() return nil end)
    world:send("client", "http/1.0/order", { item = "tea" })
    world:run()
    world:kill "client"
    world:start "client"
    world:run()
    expect(#seen):equals(1)
    expect(world:state "client"):equals { begun = 1, outcome = "unknown_outcome" }
  end)

  it("sends again what may be sent twice", function()
    local times = 0
    local world, seen = new_world(function()
      times = times + 1
      if times > 1 then return { status = 201 } end
    end)
    world:send("client", "http/1.0/order", { item = "tea", repeat_safe = true })
    world:run()
    world:kill "client"
    world:start "client"
    world:run()
    expect(#seen):equals(2)
    expect(seen[2].json):equals(seen[1].json)
    expect(world:state "client"):equals { begun = 1, outcome = 201 }
  end)

  it("raises for what is no request", function()
    local world = new_world {}
    local function raised(options)
      return world:ask("client", "http/1.0/wrong", options).body.why
    end
    expect(raised {}):matches "needs its url"
    local url = "https://api.example.org/"
    expect(raised { url = url, withn = "5s" }):matches "unknown option 'withn'"
    expect(raised { url = url, body = "x", json = 1 }):matches "one of json"
    expect(raised { url = url, max = "2GB" }):matches "max is a size"
    expect(raised { url = url, headers = { a = true } }):matches "header a"
  end)
end)
