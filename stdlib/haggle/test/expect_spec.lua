local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

-- The words of an expectation that fails.
local function failure(fn)
  local ok, raised = pcall(fn)
  if ok then error("it did not fail", 2) end
  return type(raised) == "table" and raised.failure or raised
end

describe("expect", function()
  it("has the beginning of a list, but lists within are whole", function()
    expect({ 1, 2, 3 }):has { 1, 2 }
    expect({ a = { 1, 2 } }).never:has { a = { 1 } }
    expect({ a = { b = 1, c = 2 } }):has { a = { b = 1 } }
  end)

  it("fails with words of each expectation", function()
    local words = {
      [function() expect(1):equals(2) end] = "value: expected 2, got 1",
      [function() expect(1):differs_from(1) end] = "both are 1",
      [function() expect(nil):exists() end] = "expected a value, got nil",
      [function() expect(1):is_nil() end] = "expected nil, got 1",
      [function() expect(1):is_true() end] = "expected true, got 1",
      [function() expect(nil):is_false() end] = "expected false, got nil",
      [function() expect("1"):is_a "integer" end] = 'expected a value of type integer, got "1"',
      [function() expect(5):is_between(1, 4) end] = "expected 1 to 4, got 5",
      [function() expect(5):is_near(4, 0.5) end] = "expected 4, give or take 0.5, got 5",
      [function() expect("abc"):matches "d" end] = 'expected text like "d", got "abc"',
      [function() expect("abc"):contains "d" end] = 'expected text with "d", got "abc"',
      [function() expect(5):contains "d" end] = "expected text or a table, got 5",
      [function() expect({}):contains(1) end] = "expected 1 in it, but it is empty",
      [function() expect({ 1 }):has_length(2) end] = "expected 2 elements, got 1: { 1 }",
      [function() expect({ 1 }):is_empty() end] = "expected nothing in it, got { 1 }",
      [function() expect({ a = 1 }):has { a = 2 } end] = ".a: expected 2, got 1",
      [function() expect(1):has { a = 2 } end] = "expected a table, got 1",
    }
    for fn, text in pairs(words) do expect(failure(fn)):equals(text) end
  end)

  it("can be turned round", function()
    expect(1).never:equals(2)
    expect({ 1 }).never:contains(2)
    expect(nil).never:exists()
    expect(1).never.never:equals(1)
    expect(failure(function() expect(1).never:equals(1) end)):equals "expected anything but 1"
    expect(failure(function() expect({ 5, 6 }).never:contains(6) end)):equals
      "expected no 6 in it, but [2] is 6"
    expect(failure(function() expect("abc").never:matches "b" end)):equals
      'expected text unlike "b", got "abc"'
  end)

  it("can be followed by another", function()
    expect("abc"):matches "a":matches "b":has_length(3)
    expect({ 1, 2 }):has_length(2):contains(1).never:is_empty()
  end)

  it("shows no more than ten differences", function()
    local wanted = {}
    for i = 1, 14 do wanted["k" .. i] = i end
    expect(failure(function() expect({}):equals(wanted) end)):matches "… and 4 more$"
  end)

  it("shows the element that is nearest", function()
    local list = { { kind = "a", n = 1 }, { kind = "b", n = 2 } }
    expect(list):contains { kind = "b" }
    expect(failure(function() expect(list):contains { kind = "b", n = 3 } end)):equals(
      'expected { kind = "b", n = 3 } in it; the nearest of its elements differs:\n'
      .. "[2].n: expected 3, got 2")
  end)

  it("shows texts of several lines as lines", function()
    expect(failure(function() expect("one\ntwo"):matches "three" end)):equals
      'expected text like "three", got\n  | one\n  | two'
  end)

  it("hears what a function raises", function()
    expect(function() error "on purpose" end):raises "purpose":matches "^.*expect_spec.lua:%d+: on"
    expect(function() error { code = 5 } end):raises "code = 5"
    expect(function() end).never:raises()
    expect(failure(function() expect(function() end):raises "x" end)):equals
      'expected an error like "x", nothing was raised'
    expect(failure(function() expect(function() error("y", 0) end):raises "x" end)):equals
      'expected an error like "x", got "y"'
  end)

  it("says when it is misused", function()
    expect(failure(function() expect(1):equal(1) end)):contains "there is no expectation 'equal'"
    expect(failure(function() expect(1).equals(1) end)):contains "with a colon"
    expect(failure(function() expect(1):received "a/1.0/b" end)):contains "is about a peer"
  end)
end)
