local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local definition = {
  name = "echo", version = "1.0",
  messages = {
    say = { body = { text = { type = "string", max = 1000 } }, replies = { "said" } },
    said = { body = { text = "string", times = "integer" } },
  },
}

local function echo_and_visitor()
  local world = test.world()
  world:agent { name = "echo", script = "agent.lua" }
  return world, world:peer("visitor", { protocols = { definition } })
end

describe("echo", function()
  it("says back what it is told, and counts", function()
    local _, visitor = echo_and_visitor()
    visitor:send("echo", "echo/1.0/say", { text = "hi" })
    expect(visitor:expect("echo/1.0/said").body):equals { text = "hi", times = 1 }
    visitor:send("echo", "echo/1.0/say", { text = "again" })
    expect(visitor:expect("echo/1.0/said").body):equals { text = "again", times = 2 }
  end)

  it("never hears what is not in its protocol", function()
    local world, visitor = echo_and_visitor()
    local _, why = visitor:send("echo", "echo/1.0/say", { text = 5 })
    expect(why):matches "body.text"
    local stranger = world:peer "stranger" -- whose host knows no rules for echo/1.0
    stranger:send("echo", "echo/1.0/say", { text = 5 })
    expect(stranger:expect("undelivered").of):equals "echo/1.0/say"
    expect(world:state("echo").times):is_nil()
  end)

  it("counts on when its host was killed", function()
    local world, visitor = echo_and_visitor()
    visitor:send("echo", "echo/1.0/say", { text = "hi" })
    visitor:expect "echo/1.0/said"
    world:kill "echo"
    world:start "echo"
    visitor:send("echo", "echo/1.0/say", { text = "hi" })
    expect(visitor:expect("echo/1.0/said").body.times):equals(2)
  end)

  it("can be found", function()
    local world = echo_and_visitor()
    world:run()
    expect(world:find("service=echo")[1]):has { protocol = "echo/1.0" }
  end)
end)
