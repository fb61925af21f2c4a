local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect
local before_each, after_each, pending = test.before_each, test.after_each, test.pending

describe("a describe", function()
  local called = {}

  before_each(function() called = { "outer" } end)
  after_each(function() called[#called + 1] = "after" end)

  it("prepares each of its tests", function() expect(called):equals { "outer" } end)

  describe("with another in it", function()
    before_each(function() called[#called + 1] = "inner" end)

    it("prepares from the outside to the inside", function()
      expect(called):equals { "outer", "inner" }
    end)
  end)

  it("is itself again behind the inner one", function() expect(called):equals { "outer" } end)

  describe("that cleans up", function()
    local order = {}
    after_each(function() order[#order + 1] = "second" end)
    after_each(function() order[#order + 1] = "first" end)

    it("does so backwards", function() expect(order):is_empty() end)
    it("after each", function() expect(order):equals { "first", "second" } end)
  end)
end)

describe("a test", function()
  it("has its world until it has been cleaned up", function()
    local world = test.world()
    world:agent { name = "x", source = "" }
    expect(world:agents("x").name):equals "x"
  end)

  local kept
  it("keeps a world", function() kept = test.world() end)
  it("cannot use the world of another", function()
    expect(function() kept:run() end):raises "this world has ended: it lives as long as the test"
  end)

  it("declares nothing", function()
    expect(function() it("x", function() end) end):raises "it stands outside of tests"
    expect(function() describe("x", function() end) end):raises "describe stands outside of tests"
    expect(function() before_each(print) end):raises "before_each stands outside of tests"
  end)

  it("can end as pending", function()
    expect(function() pending "later" end):raises 'pending = "later"'
  end)
end)
