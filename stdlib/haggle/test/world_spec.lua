local test = require "haggle.test"
local haggle = require "haggle"
local describe, it, expect = test.describe, test.it, test.expect

local COUNTER = [[
agent.on_start(function(reason) state.started = reason end)
agent.every("beat", "1m", function() state.beats = (state.beats or 0) + 1 end)
agent.on("count/1.0/add", function(message)
  state.lists = { [7] = "seven", deep = { { 1 }, { 2.0 } }, bytes = haggle.bytes "\0\1" }
  state.sum = (state.sum or 0) + message.body.by
  log.info("added", { by = message.body.by })
  message:reply("sum", { is = state.sum })
end)
agent.on("count/1.0/read", function(message)
  local text, why, code = host.read(message.body.path)
  message:reply("text", { text = text, why = why, code = code })
end)
agent.on("count/1.0/fail", function() error "on purpose" end)
agent.on("count/1.0/later", function(message)
  agent.sleep "5s"
  message:reply("sum", { is = 0 })
end)
]]
COUNTER = 'local haggle = require "haggle"\n' .. COUNTER

local function counting(allow)
  local world = test.world()
  world:agent { name = "counter", source = COUNTER, allow = allow }
  return world
end

describe("world", function()
  it("moves its clock only when told", function()
    local world = counting()
    local start = world:now()
    world:run()
    expect(world:now()):equals(start)
    expect(world:state("counter").beats):is_nil()
    world:advance "1h"
    expect(world:now()):equals(start + 3600000)
    expect(world:state("counter").beats):equals(60)
    world:advance(1)
    expect(world:now()):equals(start + 3600001)
  end)

  it("copies state, with every kind of key and value", function()
    local world = counting()
    world:ask("counter", "count/1.0/add", { by = 2 })
    local lists = world:state("counter").lists
    expect(lists[7]):equals "seven"
    expect(lists.deep):equals { { 1 }, { 2.0 } }
    expect(lists.bytes == haggle.bytes "\0\1"):is_true()
  end)

  it("gives the operator answers, and what went wrong", function()
    local world = counting()
    expect(world:ask("counter", "count/1.0/add", { by = 2 }).body.is):equals(2)
    local reply, _, code = world:ask("counter", "count/1.0/fail")
    expect(reply):is_nil()
    expect(code):equals "handler_failed"
    expect(#world:dead()):equals(1)
    reply, _, code = world:ask("nobody", "count/1.0/add")
    expect(reply):is_nil()
    expect(code):exists()
  end)

  it("lets time pass when an answer takes some", function()
    local world = counting()
    local start = world:now()
    expect(world:ask("counter", "count/1.0/later").body.is):equals(0)
    expect(world:now() - start):equals(5000)
  end)

  it("keeps state and agents when it restarts", function()
    local world = counting()
    world:ask("counter", "count/1.0/add", { by = 2 })
    local id = world:id "counter"
    expect(world:state("counter").started):equals "created"
    world:restart()
    expect(world:state("counter")):has { started = "restarted", sum = 2 }
    expect(world:id "counter"):equals(id)
  end)

  it("holds the files that a spec makes, for those who may read them", function()
    local world = counting { "read=/etc/motd" }
    local function read(path)
      return world:ask("counter", "count/1.0/read", { path = path }).body
    end
    expect(read("/etc/motd").code):equals "not_found"
    world:file("/etc/motd", "hello")
    expect(read("/etc/motd")):equals { text = "hello" }
    world:file("/etc/motd", nil)
    expect(read("/etc/motd").code):equals "not_found"
    world:file("/etc/shadow", "secret")
    expect(read("/etc/shadow").code):equals "denied"
  end)

  it("tells what was logged", function()
    local world = counting()
    world:ask("counter", "count/1.0/add", { by = 2 })
    expect(world:log("counter")[1]):equals { level = "info", who = "counter", host = "home",
      at = world:now(), text = 'added  {"by":2}' }
  end)

  it("is the same for the same seed, and another for another", function()
    local function id(seed)
      local world = test.world { seed = seed }
      world:agent { name = "counter", source = COUNTER }
      return world:id "counter"
    end
    expect(id(1)):equals(id(1))
    expect(id(1)):differs_from(id(2))
  end)

  it("ends handlers that never end", function()
    local world = test.world()
    world:agent { name = "stuck", source = 'agent.on("a/1.0/b", function() while true do end end)' }
    local _, _, code = world:ask("stuck", "a/1.0/b")
    expect(code):equals "handler_failed"
    expect(world:dead()[1].why):matches "instructions"
  end)

  it("shows where a script does not load", function()
    expect(function()
      test.world():agent { name = "bad", source = "local x = = 1" }
    end):raises "bad.lua:1:.*| local x = = 1"
  end)
end)

describe("peer", function()
  local PING = {
    name = "ping", version = "1.0",
    messages = { ping = { replies = { "pong" } }, pong = {} },
  }

  it("speaks in threads, and hears what comes back", function()
    local world = test.world()
    local one = world:peer("one", { protocols = { PING } })
    local two = world:peer("two", { protocols = { PING } })
    local id = one:send("two", "ping/1.0/ping")
    local ping = two:expect "ping/1.0/ping"
    expect(ping):has { thid = id, from = one.id, performative = "ping" }
    two:reply(ping, "pong")
    expect(one:expect("ping/1.0/pong").thid):equals(id)
    local _, why, code = two:reply(ping, "pong")
    expect(code):equals "raised"
    expect(why):matches "not open"
  end)

  it("fails when nothing comes, and says what came instead", function()
    local world = test.world()
    local one = world:peer("one", { protocols = { PING } })
    local two = world:peer("two", { protocols = { PING } })
    one:send("two", "ping/1.0/ping")
    expect(function() two:expect("ping/1.0/pong", "1s") end):raises
      "two heard no ping/1.0/pong within 1s, but ping/1.0/ping {}"
  end)

  it("hears that a message cannot be handled", function()
    local world = test.world()
    local one = world:peer("one")
    world:agent { name = "deaf", source = "" }
    one:send("deaf", "ping/1.0/ping")
    expect(one:expect "undelivered"):has { of = "ping/1.0/ping", code = "no_handler" }
  end)
end)

describe("messages", function()
  local ECHO = [[
agent.on("echo/1.0/say", function(message) message:reply("said", message.body) end)
]]

  local function echoing()
    local world = test.world()
    world:agent { name = "echo", source = ECHO }
    local peer = world:peer("visitor", { handles = { "echo/1.0/said" } })
    peer:send("echo", "echo/1.0/say", { text = "hi", more = { a = 1, b = 2 } })
    world:run()
    return world, peer
  end

  it("are all there, by name", function()
    local world, peer = echoing()
    local all = world:messages()
    expect(all):has_length(2)
    expect(all[1]):has { type = "echo/1.0/say", from = "visitor", to = "echo", handled = true,
      from_id = peer.id, to_id = world:id "echo", host = "home", at = world:now(),
      id = test.like "^%x+$", body = { text = "hi" } }
    expect(all[2]):has { type = "echo/1.0/said", from = "echo", thid = all[1].thid }
  end)

  it("can be asked for by what they are", function()
    local world, peer = echoing()
    expect(world:messages { from = "visitor" }):has_length(1)
    expect(world:messages { to = peer.id, body = { more = { b = 2 } } }):has_length(1)
    expect(world:messages { body = { more = { b = 3 } } }):is_empty()
    expect(world:messages { type = "echo/1.0/said", handled = true, host = "home" }):has_length(1)
    expect(function() world:messages { form = "x" } end):raises "has no option 'form'"
  end)

  it("can be expected of a peer, taken or not", function()
    local world, peer = echoing()
    expect(peer):received "echo/1.0/said"
    peer:take()
    expect(peer):received("echo/1.0/said", { more = { a = 1 } })
    expect(peer).never:received("echo/1.0/said", { text = "other" })
    expect(function() expect(peer):received("echo/1.0/said", { text = "other" }) end):raises
      'did not hear echo/1.0/said { text = "other" }; of the last one:\nbody.text: expected "other"'
    expect(function() expect(peer):received "echo/1.0/no" end):raises
      "visitor did not hear echo/1.0/no, but\n  echo/1.0/said from echo"
    local silent = world:peer "silent"
    expect(function() expect(silent):received "echo/1.0/no" end):raises "nor anything else"
  end)

  it("of the operator are among them, and can be sent without waiting", function()
    local world = echoing()
    world:send("echo", "echo/1.0/say", { text = "later" })
    expect(world:messages { from = "operator" }[1].handled):is_false()
    world:tick()
    expect(world:messages { from = "operator", to = "echo" }[1].handled):is_true()
  end)
end)

describe("timers", function()
  local SETS = [[
agent.every("beat", "1h", function() end)
agent.on("t/1.0/set", function(message)
  agent.after("wake", "5m", { n = 1 })
  agent.after("wake", "3m", "second")
  agent.after("plain", "10s")
end)
agent.on_timer("wake", function() state.woken = (state.woken or 0) + 1 end)
agent.on_timer("plain", function() end)
]]

  it("are listed as they will fire", function()
    local world = test.world()
    world:agent { name = "x", source = SETS }
    world:send("x", "t/1.0/set")
    expect(world:timers "x"):equals {
      { name = "plain", due = world:now() + 10000, left = 10000 },
      { name = "wake", key = "second", value = "second", due = world:now() + 180000,
        left = 180000 },
      { name = "wake", value = { n = 1 }, due = world:now() + 300000, left = 300000 },
      { name = "beat", every = 3600000, due = world:now() + 3600000, left = 3600000 },
    }
    world:advance "4m"
    expect(world:timers "x"):has_length(2)
    world:agent { name = "y", source = [[
      agent.every("morning", { cron = "0 9 * * *", zone = "Europe/Vienna" }, function() end)]] }
    expect(world:timers "y"):equals {
      { name = "morning", cron = "0 9 * * *", zone = "Europe/Vienna", due = 1767254400000,
        left = 1767254400000 - world:now() } }
    expect(world:state "x"):equals { woken = 1 }
  end)

  it("need an agent", function()
    expect(function() test.world():timers "nobody" end):raises
      "no host and no agent 'nobody'; its hosts are: home"
  end)
end)

describe("Lua states", function()
  -- What is not kept: each changes something that a handler found.
  local SMUGGLED = {
    ["a local"] = { "local n = 0", "n = n + 1" },
    ["a global"] = { "n = 0", "n = n + 1" },
    ["a new global"] = { "", "m = 1" },
    ["a table"] = { "local t = {}", "t.n = 1" },
    ["a table within a table"] = { "local t = { t = {} }", "table.insert(t.t, 1)" },
    ["a closure's local"] = {
      "local function new() local n = 0 return function() n = n + 1 end end local c = new()",
      "c()" },
    ["a metatable's index"] = {
      "local mt = { __index = {} } local t = setmetatable({}, mt)",
      "mt.__index = { n = t.n }" },
    ["a module"] = { 'local market = require "haggle.market"', "market.n = 1" },
  }

  for name, source in pairs(SMUGGLED) do
    it("keep nothing in " .. name .. ", with words that say why", function()
      local world = test.world()
      world:agent { name = "x", source = ('%s\nagent.on("a/1.0/b", function() %s end)')
        :format(source[1], source[2]) }
      local _, _, code = world:ask("x", "a/1.0/b")
      expect(code):equals "handler_failed"
      expect(world:dead("x")[1].why):matches "was changed in a handler; keep it in state"
    end)
  end

  local CACHES = [[
agent.on("a/1.0/b", function(message)
  cache.n = (cache.n or 0) + 1
  message:reply("n", { n = cache.n })
end)
]]

  it("are given up between handlers, and the cache with them", function()
    local world = test.world { keep_lua = false }
    world:agent { name = "x", source = CACHES }
    for _ = 1, 2 do expect(world:ask("x", "a/1.0/b").body.n):equals(1) end
  end)

  it("can be kept", function()
    local world = test.world { keep_lua = true }
    world:agent { name = "x", source = CACHES }
    for n = 1, 2 do expect(world:ask("x", "a/1.0/b").body.n):equals(n) end
  end)
end)
