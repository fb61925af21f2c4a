local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect
local definition = require "council"

local function chair(world, members, quorum)
  world:agent { name = "chair", script = "chair.lua",
    config = { members = members, within = "10s", quorum = quorum } }
  return world:peer("mover", { protocols = { definition } })
end

local function member(world, name, is_for, is_against)
  world:agent { name = name, script = "member.lua",
    config = { is_for = is_for, is_against = is_against } }
end

local function council()
  local world = test.world()
  member(world, "ann", { "library" }, {})
  member(world, "bob", { "library" }, { "tax" })
  member(world, "cyd", {}, {})
  return world, chair(world, { "ann", "bob", "cyd" })
end

local function move(peer, motion)
  peer:send("chair", "council/1.0/move", { motion = motion })
  return peer:expect("council/1.0/decided", "30s").body
end

describe("council", function()
  it("carries what the majority is for", function()
    local _, mover = council()
    expect(move(mover, "a library")):equals {
      motion = "a library", carried = true, yes = 2, no = 1, silent = 0,
      votes = { ann = "yes", bob = "yes", cyd = "no" },
    }
  end)

  it("does not carry what the majority is against", function()
    local _, mover = council()
    expect(move(mover, "a tax for the library")):has { carried = false, yes = 1, no = 2 }
  end)

  it("counts who does not answer as silent, and needs a quorum", function()
    local world = test.world()
    member(world, "ann", { "library" }, {})
    local mover = chair(world, { "ann", "nobody", "noone" })
    expect(move(mover, "a library")):has { carried = false, yes = 1, no = 0, silent = 2 }
  end)

  it("lets nobody keep the floor for longer than it gives", function()
    local world = test.world()
    world:peer("silent", { protocols = { definition } })
    local mover = chair(world, { "silent" })
    mover:send("chair", "council/1.0/move", { motion = "a library", within = "300d" })
    mover:send("chair", "council/1.0/move", { motion = "a park", within = "1s" })
    expect(mover:expect("council/1.0/decided", "11s").body.motion):equals "a library"
    expect(mover:expect("council/1.0/decided", "2s").body.motion):equals "a park"
    local _, _, code = world:ask("chair", "council/1.0/move", { motion = "x", within = "soon" })
    expect(code):equals "invalid"
    expect(world:dead()):is_empty()
  end)

  it("remembers the latest motions", function()
    local world = test.world()
    member(world, "ann", { "library" }, {})
    world:agent { name = "chair", script = "chair.lua",
      config = { members = { "ann" }, minutes = 2 } }
    for i = 1, 3 do world:ask("chair", "council/1.0/move", { motion = "library " .. i }) end
    expect(world:state("chair").minutes):has_length(2):contains { motion = "library 3" }
  end)

  it("goes on with a vote after a restart, and asks nobody twice", function()
    local world = test.world()
    member(world, "ann", { "library" }, {})
    local slow = world:peer("slow", { protocols = { definition } })
    local mover = chair(world, { "ann", "slow" })
    mover:send("chair", "council/1.0/move", { motion = "a library" })
    world:advance "1s"
    local ballot = slow:expect "council/1.0/ballot"
    world:restart()
    slow:reply(ballot, "vote", { choice = "yes" })
    expect(mover:expect("council/1.0/decided").body):has { carried = true, yes = 2 }
    expect(slow:take "council/1.0/ballot"):is_nil()
  end)

  it("votes on one motion at a time", function()
    local world = test.world()
    local slow = world:peer("slow", { protocols = { definition } })
    local mover = chair(world, { "slow" })
    mover:send("chair", "council/1.0/move", { motion = "one" })
    mover:send("chair", "council/1.0/move", { motion = "two" })
    world:advance "1s"
    local first = slow:expect "council/1.0/ballot"
    expect(slow:take "council/1.0/ballot"):is_nil()
    slow:reply(first, "vote", { choice = "yes" })
    expect(slow:expect("council/1.0/ballot").body.motion):differs_from(first.body.motion)
  end)

  it("keeps minutes", function()
    local world, mover = council()
    move(mover, "a library")
    move(mover, "a tax")
    local minutes = world:state("chair").minutes
    expect(#minutes):equals(2)
    expect(minutes[1]):has { motion = "a library", carried = true, moved_by = mover.id }
  end)

  it("a member votes the same however often it is asked", function()
    local world = test.world()
    member(world, "ann", { "library" }, {})
    local asker = world:peer("asker", { protocols = { definition } })
    for _ = 1, 2 do
      asker:send("ann", "council/1.0/ballot", { motion = "a library" })
      expect(asker:expect("council/1.0/vote").body.choice):equals "yes"
    end
    expect(world:state("ann")["haggle.cache"].votes.count):equals(1)
  end)
end)
