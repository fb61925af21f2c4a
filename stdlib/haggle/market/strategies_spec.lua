local test = require "haggle.test"
local strategies = require "haggle.market.strategies"
local describe, it, expect = test.describe, test.it, test.expect

-- The prices that a side offers one after the other, while the other side says these.
local function offers(name, role, first, limit, steps, theirs)
  local made, position = {}, { role = role, limit = limit, steps = steps, own_first = first,
    own = first, theirs_before = theirs[1] }
  for n = 1, steps do
    position.left, position.theirs = steps - n + 1, theirs[n] or theirs[#theirs]
    position.own = strategies[name](position)
    position.theirs_before = position.theirs
    made[n] = position.own
  end
  return made
end

describe("a time-dependent strategy", function()
  it("is at its limit with its last offer, whatever the other does", function()
    for _, name in ipairs { "boulware", "linear", "conceder" } do
      expect(offers(name, "buyer", 20, 100, 5, { 200 })[5]):equals(100)
      expect(offers(name, "seller", 100, 20, 5, { 1 })[5]):equals(20)
      expect(offers(name, "seller", 100, 20, 1, { 1 })):equals { 20 }
    end
  end)

  it("gives late, evenly or early", function()
    expect(offers("boulware", "buyer", 20, 100, 4, { 200 })):equals { 20, 25, 45, 100 }
    expect(offers("linear", "buyer", 20, 100, 4, { 200 })):equals { 40, 60, 80, 100 }
    expect(offers("conceder", "buyer", 20, 100, 4, { 200 })):equals { 76, 87, 94, 100 }
  end)

  it("rounds to its own favour", function()
    expect(offers("linear", "seller", 10, 7, 4, { 1 })):equals { 10, 9, 8, 7 }
    expect(offers("linear", "buyer", 7, 10, 4, { 99 })):equals { 7, 8, 9, 10 }
  end)
end)

describe("tit_for_tat", function()
  it("gives as much as the other gave last, and takes nothing back", function()
    expect(offers("tit_for_tat", "seller", 100, 20, 4, { 10, 15, 15, 12 })):equals {
      100, 95, 95, 95 }
    expect(offers("tit_for_tat", "buyer", 20, 100, 4, { 90, 80, 85, 60 })):equals {
      20, 30, 30, 55 }
  end)
end)

describe("firm", function()
  it("stays where it is", function()
    expect(offers("firm", "seller", 100, 20, 3, { 10, 50, 90 })):equals { 100, 100, 100 }
  end)
end)
