local test = require "haggle.test"
local haggle = require "haggle"
local schema = require "haggle.schema"
local describe, it, expect = test.describe, test.it, test.expect

local function why(value, rules)
  local ok, what = schema.check(value, rules)
  return ok and "right" or what
end

-- In the sandbox, where modules are used.
local function inside(lines)
  local world = test.world()
  world:agent { name = "a", source = [[
    local haggle, schema = require "haggle", require "haggle.schema"
    agent.on("try/1.0/go", function(message)
      message:reply("done", { got = haggle.array { ]] .. lines .. [[ } })
    end)]] }
  return world:ask("a", "try/1.0/go", {}).body.got
end

describe("haggle.schema", function()
  it("knows the types of JSON", function()
    local values = {
      null = haggle.null, boolean = false, integer = 3, string = "x", array = { 1 },
      object = { a = 1 },
    }
    for name, value in pairs(values) do
      for other in pairs(values) do
        local same = name == other
        expect(why(value, { type = other }) == "right"):equals(same)
      end
    end
    expect(why(1.5, { type = "number" })):equals "right"
    expect(why(2.0, { type = "integer" })):equals "right"
    expect(why(1.5, { type = "integer" })):equals "expected an integer, got a number"
    expect(why({}, { type = "array" })):equals "right"
    expect(why({}, { type = "object" })):equals "right"
    expect(why("x", { type = { "null", "integer" } }))
      :equals "expected null or an integer, got text"
  end)
  it("names the place of what is wrong", function()
    local rules = { type = "object", properties = { items = { items = {
      properties = { price = { type = "integer" } }, required = { "price" } } } } }
    expect(why({ items = { { price = 1 }, { price = "two" } } }, rules))
      :equals "items[2].price: expected an integer, got text"
    expect(why({ items = { {} } }, rules)):equals "items[1].price: is missing"
  end)
  it("compares with enum and const, tables as well", function()
    expect(why("b", { enum = { "a", "b" } })):equals "right"
    expect(why("c", { enum = { "a", "b" } })):equals [[expected one of "a", "b"]]
    expect(why({ x = { 1, 2 } }, { const = { x = { 1, 2 } } })):equals "right"
    expect(why({ x = { 1, 2, 3 } }, { const = { x = { 1, 2 } } })):matches "^expected"
  end)
  it("bounds numbers, text, lists and objects, at the bound and past it", function()
    expect(why(3, { minimum = 3, maximum = 3 })):equals "right"
    expect(why(2, { minimum = 3 })):equals "2 is not at least 3"
    expect(why(3, { exclusiveMinimum = 3 })):equals "3 is not above 3"
    expect(why(3, { exclusiveMaximum = 3 })):equals "3 is not below 3"
    expect(why("äöü", { minLength = 3, maxLength = 3 })):equals "right"
    expect(why("äöü", { maxLength = 2 })):equals "has 3 characters, at most 2 are allowed"
    expect(why({ 1 }, { minItems = 2 })):equals "has 1 items, at least 2 are needed"
    expect(why({ 1, 2, 1 }, { uniqueItems = true })):equals "[3]: is there twice"
    expect(why({ a = 1, b = 2 }, { maxProperties = 1 })):matches "at most 1"
  end)
  it("knows members that are allowed, and others", function()
    local rules = { properties = { a = true }, additionalProperties = false }
    expect(why({ a = 1 }, rules)):equals "right"
    expect(why({ b = 1 }, rules)):equals "b: is not a known member"
    expect(why({ b = "x" }, { additionalProperties = { type = "integer" } }))
      :equals "b: expected an integer, got text"
    expect(why({ "x", 2, 3 }, { prefixItems = { { type = "string" } },
      items = { type = "integer" } })):equals "right"
  end)
  it("combines", function()
    local either = { { type = "string" }, { minimum = 10 } }
    expect(why(5, { anyOf = either })):equals "expected text, got an integer"
    expect(why(11, { anyOf = either })):equals "right"
    expect(why("x", { oneOf = either })):equals "fits 2 of the alternatives, not one"
    expect(why(5, { allOf = { { minimum = 1 }, { maximum = 4 } } })):equals "5 is not at most 4"
    expect(why(5, { ["not"] = { type = "integer" } })):equals "is what it must not be"
    expect(why(5, false)):equals "nothing is allowed here"
  end)
  it("follows references, also to itself", function()
    local tree = { ["$ref"] = "#/$defs/node", ["$defs"] = { node = {
      required = { "value" }, properties = { next = { ["$ref"] = "#/$defs/node" } } } } }
    expect(why({ value = 1, next = { value = 2 } }, tree)):equals "right"
    expect(why({ value = 1, next = { next = {} } }, tree)):equals "next.value: is missing"
    expect(function() why(1, { ["$ref"] = "#/$defs/none" }) end):raises "there is no #/%$defs/none"
    local loop = { ["$ref"] = "#" }
    expect(function() why(1, loop) end):raises "nested deeper"
  end)
  it("judges values of any depth, whoever sent them", function()
    local tree = { ["$ref"] = "#/$defs/node", ["$defs"] = { node = {
      additionalProperties = { ["$ref"] = "#/$defs/node" } } } }
    local value = {}
    for _ = 1, 100 do value = { next = value } end
    expect(why(value, tree)):equals "right"
    for _ = 1, 100 do value = { next = value } end
    expect(why(value, tree)):matches "^next%.next.* lies deeper than 128 levels$"
  end)
  it("refuses schemas that it does not understand", function()
    expect(function() why(1, { pattern = "^a" }) end):raises "'pattern' is not supported"
    expect(function() why(1, { type = "int" }) end):raises [[no type "int"]]
    expect(function() why({ 1 }, { items = 3 }) end):raises "expected a table, got number"
  end)
  it("works in the sandbox", function()
    expect(inside [[select(2, schema.check({ n = haggle.null }, { properties = {
      n = { type = "integer" } } }))]]):equals { "n: expected an integer, got null" }
    expect(inside [[(function()
      state.order = { items = { { n = 1 }, { n = "two" } } }
      return select(2, schema.check(state.order, { type = "object", properties = { items = {
        type = "array", items = { properties = { n = { type = "integer" } } } } } }))
    end)()]]):equals { "items[2].n: expected an integer, got text" }
    expect(inside [[select(2, schema.check(haggle.bytes "x", { type = "object" }))]])
      :equals { "expected an object, got a userdata" }
  end)
end)
