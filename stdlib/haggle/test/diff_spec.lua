local test = require "haggle.test"
local haggle = require "haggle"
local diff = require "haggle.test.diff"
local describe, it, expect = test.describe, test.it, test.expect

local function lines(wanted, got, partial)
  return table.concat(diff.between(wanted, got, "value", partial), "\n")
end

describe("show", function()
  it("shows values as a script would write them", function()
    expect(diff.show { 1, 2.0, "a\n\"b\"", x = true, ["y z"] = { k = {} }, ["end"] = 1 }):equals
      [[{ 1, 2.0, "a\n\"b\"", ["end"] = 1, x = true, ["y z"] = { k = {} } }]]
  end)

  it("orders numbers before text, whatever the kinds of keys", function()
    expect(diff.show { b = 1, [10] = 2, [2.5] = 3, a = 4, [true] = 5 }):equals
      "{ [2.5] = 3, [10] = 2, a = 4, b = 1, [true] = 5 }"
  end)

  it("stops at rings and in depths", function()
    local ring = {}
    ring.self = ring
    expect(diff.show(ring)):equals "{ self = {itself} }"
    local deep = {}
    for _ = 1, 9 do deep = { deep } end
    expect(diff.show(deep)):contains "{…}"
  end)

  it("leaves out the middle of what is long, between characters", function()
    local text = diff.brief(("ä"):rep(1000))
    expect(#text):is_between(300, 340)
    expect(utf8.len(text)):exists()
    expect(text:sub(190, -90)):matches "ä … %(%d+ bytes%) … ä"
  end)
end)

describe("between", function()
  it("names each place that differs, in order", function()
    expect(lines({ a = 1, b = { 1, 2 }, d = 4 }, { a = 1, b = { 1, 3 }, c = 3 })):equals(
      "value.b[2]: expected 2, got 3\nvalue.c: expected nil, got 3\nvalue.d: expected 4, got nil")
  end)

  it("finds nothing between equals", function()
    local function value() return { 1, { x = haggle.bytes "\0\1" }, haggle.null } end
    expect(lines(value(), value())):equals ""
    expect(lines(0 / 0, 0 / 0)):equals ""
  end)

  it("tells integers from doubles", function()
    expect(lines(1.0, 1)):equals "value: expected 1.0, got 1"
  end)

  it("says what was inserted and what is missing in lists", function()
    expect(lines({ "a", "b", "c" }, { "a", "x", "b", "c" })):equals
      'value[2]: not expected: "x"'
    expect(lines({ "a", "b", "c" }, { "a", "c" })):equals 'value[2]: missing: "b"'
    expect(lines({ 1, 2, 3, 4 }, { 1, 9, 3 })):equals
      "value[2]: expected 2, got 9\nvalue[4]: missing: 4"
    expect(lines({ { n = 1 }, { n = 2 } }, { { n = 2 } })):equals "value[1]: missing: { n = 1 }"
  end)

  it("compares long lists place by place", function()
    local one, other = {}, {}
    for i = 1, 300 do one[i], other[i] = i, i end
    other[301] = 301
    expect(lines(one, other)):equals "value[301]: expected nil, got 301"
  end)

  it("shows the first line that differs in texts of several", function()
    expect(lines("one\ntwo\nthree", "one\n2\nthree")):equals
      'value, line 2: expected "two", got "2"'
    expect(lines("one", "one\ntwo")):equals 'value, line 2: expected no more lines, got "two"'
  end)

  it("puts what is long on lines of its own", function()
    local found = lines({ text = ("a"):rep(50) }, { text = ("b"):rep(50) })
    expect(found):matches '^value%.text:\n  expected "a+"\n  got      "b+"$'
  end)

  it("goes round in rings once", function()
    local one, other = { n = 1 }, { n = 2 }
    one.self, other.self = one, other
    expect(lines(one, other)):equals "value.n: expected 1, got 2"
  end)

  it("passes over further fields when asked to, but not over further elements", function()
    expect(lines({ a = { b = 1 } }, { a = { b = 1, c = 2 }, d = 3 }, true)):equals ""
    expect(lines({ a = { 1 } }, { a = { 1, 2 } }, true)):equals "value.a[2]: not expected: 2"
  end)

  it("knows placeholders", function()
    local wanted = { id = test.like "^%x+$", at = test.a "integer", who = test.anything }
    expect(lines(wanted, { id = "0f", at = 5, who = false })):equals ""
    expect(lines(wanted, { id = "-", at = 5.5 })):equals(
      'value.at: expected <a value of type integer>, got 5.5\n'
      .. 'value.id: expected <text like "^%x+$">, got "-"\n'
      .. "value.who: expected <anything>, got nil")
  end)
end)
