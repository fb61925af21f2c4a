-- Several hosts in one world: links, partitions, hosts that die.
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local ECHO = [[
agent.offer { service = "echo" }
agent.on_start(function(reason) state.started = reason end)
agent.on_stop(function() state.stopped = true end)
agent.on("echo/1.0/say", function(message)
  state.times = (state.times or 0) + 1
  message:reply("said", { times = state.times })
end)
]]

local function two_hosts(options)
  local world = test.world(options)
  world:agent { name = "echo", source = ECHO, host = "south" }
  local peer = world:peer("visitor", { handles = { "echo/1.0/said" } })
  return world, peer
end

describe("hosts", function()
  it("speak with each other, in time", function()
    local world, peer = two_hosts { latency = "200ms" }
    world:advance "5s"
    local start = world:now()
    peer:send("echo", "echo/1.0/say")
    expect(peer:expect("echo/1.0/said").body.times):equals(1)
    expect(world:now() - start):equals(400)
    expect(world:messages { to = "echo" }[1]):has { from = "visitor", host = "home",
      handled = true }
    world:latency "5ms"
    world:advance "1s" -- nothing overtakes what is on its way
    start = world:now()
    peer:send("echo", "echo/1.0/say")
    peer:expect "echo/1.0/said"
    expect(world:now() - start):equals(10)
  end)

  it("are overtaken by nothing when the latency falls", function()
    local world, peer = two_hosts { latency = "1s" }
    world:advance "10s"
    local start = world:now()
    peer:send("echo", "echo/1.0/say", { n = 1 })
    world:latency "1ms"
    peer:send("echo", "echo/1.0/say", { n = 2 })
    world:run_until(function() return world:messages({ body = { n = 2 }, handled = true })[1] end)
    expect(world:now() - start):is_between(1000, 1010)
    expect(world:messages { body = { n = 1 }, handled = true }):has_length(1)
  end)

  it("tell each other what their agents offer", function()
    local world = two_hosts()
    world:run_until(function() return #world:find "service=echo" == 1 end, "30s")
    expect(world:find("service=echo")[1].agent):equals(world:id "echo")
    expect(world:find("service=echo", "south")):has_length(1)
  end)

  it("have agents and operators of their own", function()
    local world = two_hosts()
    expect(world:ask("echo", "echo/1.0/say").body.times):equals(1)
    world:send("visitor", "echo/1.0/said")
    local said = world:messages { from = "operator" }
    expect(said):has_length(2)
    expect(said[1].from_id):differs_from(said[2].from_id)
    expect(world:agents("echo").host):equals "south"
    expect(world:agents("visitor").host):equals "home"
    expect(world:address "echo"):matches(world:id "echo" .. "@did:key:")
    expect(function() world:agent { name = "echo", source = ECHO } end):raises
      "an agent 'echo' already, on the host 'south'"
    expect(function() world:host "south" end):raises "a host 'south' already"
    expect(function() world:host "" end):raises "a host's name has 1 to 64 bytes"
  end)
end)

describe("a partition", function()
  it("holds messages back until it is healed", function()
    local world, peer = two_hosts()
    world:advance "5s"
    world:partition("home", "south")
    peer:send("echo", "echo/1.0/say")
    world:advance "5m"
    expect(peer:take "echo/1.0/said"):is_nil()
    expect(world:state("echo").times):is_nil()
    world:heal()
    expect(peer:expect("echo/1.0/said").body.times):equals(1)
  end)

  it("loses what is on its way, and that is sent again", function()
    local world, peer = two_hosts { latency = "1s" }
    world:advance "10s"
    peer:send("echo", "echo/1.0/say")
    world:advance "500ms"
    world:partition "south"
    world:advance "1m"
    expect(world:state("echo").times):is_nil()
    world:heal()
    expect(peer:expect("echo/1.0/said").body.times):equals(1)
    world:advance "1m"
    expect(world:state("echo").times):equals(1)
  end)

  it("loses it also when it is healed before it would have arrived", function()
    local world, peer = two_hosts { latency = "1s" }
    world:advance "10s"
    peer:send("echo", "echo/1.0/say")
    world:advance "500ms"
    world:partition "south"
    world:heal()
    world:advance "600ms"
    expect(world:state("echo").times):is_nil()
    expect(peer:expect("echo/1.0/said").body.times):equals(1)
  end)

  it("has sides of several hosts", function()
    local world = two_hosts()
    world:agent { name = "west", source = ECHO, host = "west" }
    local other = world:peer("other", { host = "west", handles = { "echo/1.0/said" } })
    world:partition({ "home" }, { "south", "west" })
    world:advance "1m"
    other:send("echo", "echo/1.0/say")
    expect(other:expect("echo/1.0/said").body.times):equals(1)
    expect(world:find "service=echo"):is_empty()
  end)

  it("needs hosts that are there, and two sides", function()
    local world = two_hosts()
    expect(function() world:partition("home", "nowhere") end):raises
      "no host and no agent 'nowhere'; its hosts are: home, south"
    expect(function() world:partition("home", "home") end):raises "cut off from itself"
    expect(function() world:partition() end):raises "takes hosts, or lists of hosts"
  end)
end)

describe("a host that is killed", function()
  local WAITS = [[
agent.on("trip/1.0/go", function(message)
  state.went = (state.went or 0) + 1
  local reply, _, code = agent.ask("echo", "echo/1.0/say", {}, { within = "1h" })
  state.heard = reply and reply.body.times or code
  agent.sleep "10m"
  state.done = true
end)
]]

  local function waiting()
    local world = test.world()
    world:agent { name = "traveller", source = WAITS }
    world:agent { name = "echo", source = [[
      agent.on("echo/1.0/say", function(message)
        agent.sleep "1m"
        message:reply("said", { times = 1 })
      end)]] }
    world:send("traveller", "trip/1.0/go")
    return world
  end

  it("goes on where its handlers waited", function()
    local world = waiting()
    world:advance "30s"
    expect(world:runs "traveller"):has_length(1)
    world:kill "traveller" -- it waits for the answer
    expect(world:state("traveller")):equals { went = 1 }
    world:advance "5m"
    world:start "traveller"
    world:run_until(function() return world:state("traveller").heard end, "2m")
    world:kill "home" -- it sleeps
    world:start "home"
    world:advance "11m"
    expect(world:state "traveller"):equals { went = 1, heard = 1, done = true }
  end)

  it("keeps what it has stored, and no more, at any tick", function()
    for ticks = 0, 6 do
      local world = waiting()
      for _ = 1, ticks do world:tick() end
      world:kill "home"
      local went = world:state("traveller").went -- nothing: it had not even begun
      expect(went):equals(ticks > 0 and 1 or nil)
      world:start "home"
      world:advance "20m"
      expect(world:state("traveller").went):equals(went)
      expect(world:state("traveller").done):equals(went and true)
    end
  end)

  it("can be killed at the moment at which something is said", function()
    local world, peer = two_hosts()
    world:advance "5s"
    peer:send("echo", "echo/1.0/say")
    world:run_until(function() return world:messages({ from = "echo" })[1] end)
    world:kill "south" -- it has stored its answer and not sent it
    world:advance "1m"
    expect(peer:take()):is_nil()
    world:start "south"
    expect(peer:expect("echo/1.0/said").body.times):equals(1)
    expect(world:state "echo"):has { times = 1, started = "restarted" }
  end)

  it("is not there for others, who go on", function()
    local world, peer = two_hosts()
    world:advance "5s"
    world:kill "south"
    local _, why, code = world:ask("echo", "echo/1.0/say")
    expect(why):equals [[the host 'south' is down: world:start "south" brings it back]]
    expect(code):equals "closed"
    expect(function() world:kill "south" end):raises "is down"
    expect(function() world:agent { name = "x", source = "", host = "south" } end):raises "is down"
    peer:send("echo", "echo/1.0/say")
    world:advance "1m"
    world:start "echo"
    expect(peer:expect("echo/1.0/said").body.times):equals(1)
    expect(function() world:start "echo" end):raises "the host 'south' runs already"
  end)

  it("is stopped with a word to its agents, or killed without", function()
    local world = two_hosts()
    world:restart "south"
    expect(world:state("echo").stopped):is_nil()
    world:stop "south"
    expect(world:state("echo").stopped):is_true()
    world:start "south"
    world:restart()
    expect(world:state("echo").started):equals "restarted"
  end)

  it("needs a name that is there", function()
    expect(function() test.world():kill "nobody" end):raises "no host and no agent 'nobody'"
  end)
end)

describe("run_until", function()
  it("lets nothing happen while it looks", function()
    local world = two_hosts()
    world:send("echo", "echo/1.0/say")
    local times = {}
    world:run_until(function()
      times[#times + 1] = world:state("echo").times or 0
      return #times == 2
    end)
    expect(times):equals { 0, 1 }
  end)

  it("gives what it waited for, and fails when that does not come", function()
    local world = two_hosts()
    local start = world:now()
    expect(world:run_until(function() return world:now() > start + 3000 and "there" end)):equals
      "there"
    expect(function() world:run_until(function() end, "2s") end):raises
      "did not come within 2s"
  end)
end)
