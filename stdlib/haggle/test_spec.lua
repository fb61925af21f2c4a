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

describe("expect", function()
  it("names each place that differs", function()
    expect(function()
      expect({ a = 1, b = { 1, 2 }, c = 3 }):equals { a = 1, b = { 1, 3 }, d = 4 }
    end):raises "value.b%[2%]: expected 3, got 2\nvalue.c: expected nil, got 3\nvalue.d: expected 4"
  end)

  it("tells integers from doubles", function()
    expect(function() expect(1):equals(1.0) end):raises "expected 1.0, got 1"
    expect(1):differs_from(1.0)
  end)

  it("fails when nothing is raised, and when something else is", function()
    expect(function() expect(function() end):raises "x" end):raises "nothing was raised"
    expect(function() expect(function() error "y" end):raises "x" end):raises "got \".*y"
  end)

  it("has one way each to fail", function()
    expect(function() expect(nil):exists() end):raises "got nil"
    expect(function() expect(1):is_nil() end):raises "expected nil, got 1"
    expect(function() expect(1):is_true() end):raises "expected true"
    expect(function() expect("abc"):matches "d" end):raises "text like"
    expect(function() expect(5):is_between(1, 4) end):raises "expected 1 to 4, got 5"
    expect(function() expect({ a = 1 }):has { a = 2 } end):raises ".a: expected 2, got 1"
    expect({ a = 1, b = 2 }):has { a = 1 }
  end)
end)

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
    expect(world:log("counter")[1]):equals { level = "info", who = "counter",
      text = 'added  {"by":2}' }
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
