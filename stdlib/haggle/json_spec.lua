local test = require "haggle.test"
local haggle = require "haggle"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, json = require "haggle", require "haggle.json"
    local function go(given) ]] .. lines .. [[ end
    agent.on("try/1.0/go", function(message)
      local got = table.pack(go(agent.config.given))
      for i = 1, got.n do if got[i] == nil then got[i] = haggle.null end end
      message:reply("done", { got = haggle.array { table.unpack(got, 1, got.n) } })
    end)]] }
  local reply, why = world:ask("a", "try/1.0/go", {})
  if not reply then error(why .. "\n" .. test.show(world:dead()), 2) end
  return table.unpack(reply.body.got)
end

describe("json.decode", function()
  it("gives values as messages hold them", function()
    local value = inside([[return json.decode(given)]],
      [[ {"a": 1, "b": 1.0, "c": [true, false, null], "d": {}, "e": [], "f": "\u00e4\n",
        "$int": "5",
        "g": 1e3, "h": -9223372036854775808, "i": "\ud83d\ude00", "j": "\u0000"} ]])
    expect(value.a):equals(1)
    expect(math.type(value.b)):equals "float"
    expect(value.c[2]):equals(false)
    expect(value.c[3] == haggle.null):is_true()
    expect(value.f):equals "ä\n"
    expect(value["$int"]):equals "5"
    expect(value.g):equals(1000.0)
    expect(value.h):equals(math.mininteger)
    expect(value.i):equals "😀"
    expect(value.j):equals "\0"
  end)
  it("keeps empty arrays and objects apart", function()
    expect(inside([[return json.encode(json.decode(given))]], '{"a":[],"b":{}}')):equals
      '{"a":[],"b":{}}'
  end)
  it("takes any value at the top", function()
    expect(inside([[return json.decode("5"), json.decode('"x"'), json.decode("true")]])):equals(5)
    expect(inside([[return json.decode(" null ") == haggle.null]])):equals(true)
  end)
  it("says what is wrong, with line and column", function()
    local bad = {
      { "", "truncated" }, { "{", "truncated" }, { "[1,]", "malformed" }, { "{\"a\":1,}",
        "malformed" },
      { "[1] 2", "trailing" }, { '{"a":1,"a":2}', "duplicate_key" }, { "nope", "malformed" },
      { "01", "malformed" }, { "[1.]", "malformed" }, { "'x'", "malformed" }, { "NaN",
        "malformed" },
      { "Infinity", "malformed" }, { "18446744073709551615", "bad_value" }, { "1e999",
        "bad_value" },
      { ("["):rep(100000), "too_deep" }, { ("["):rep(33) .. ("]"):rep(33), "too_deep" },
      { '"\\ud800"', "malformed" }, { '"\t"', "malformed" }, { "[1]/* */", "trailing" },
    }
    for _, case in ipairs(bad) do
      local _, why, code = inside([[return json.decode(given)]], case[1])
      expect { case[1]:sub(1, 40), code }:equals { case[1]:sub(1, 40), case[2] }
      expect(why):matches "JSON"
    end
    local _, why = inside([[return json.decode(given)]],
      '{\n  "price": [1, 2, 99999999999999999999]\n}')
    expect(why):matches "line 2, column %d+: price%[2%]"
    _, why = inside([[return json.decode(given)]], "[1,\n2,\nx]")
    expect(why):matches "line 3"
  end)
  it("takes as much as a stretch has time for, and no more", function()
    expect(inside [[return #json.decode('"' .. ("x"):rep((256 << 10) - 2) .. '"')]]):equals(262142)
    local _, _, code = inside [[return json.decode('"' .. ("x"):rep((256 << 10) - 1) .. '"')]]
    expect(code):equals "too_large"
    expect(inside [[return #json.decode("[" .. ("1,"):rep(16382) .. "1]")]]):equals(16383)
    _, _, code = inside [[return json.decode("[" .. ("1,"):rep(16383) .. "1]")]]
    expect(code):equals "too_large"
    expect(inside [[return #json.decode('["' .. ("\\\",,"):rep(20000) .. '"]')[1] ]]):equals(60000)
    expect(inside [[return pcall(json.decode, "1", { huge = true })]]):equals(false)
  end)
  it("takes a megabyte when told so, and no more", function()
    expect(inside([[return #json.decode('"' .. ("x"):rep((1 << 20) - 2) .. '"', {
      large = true })]])):equals(1048574)
    local _, _, code = inside([[return json.decode('"' .. ("x"):rep((1 << 20) - 1) .. '"', {
      large = true })]])
    expect(code):equals "too_large"
    _, _, code = inside([[return json.decode("[" .. ("1,"):rep(65535) .. "1]", { large = true })]])
    expect(code):equals "too_large"
  end)
  it("takes bytes, and nothing else", function()
    expect(inside([[return json.decode(haggle.bytes "[5]")[1] ]])):equals(5)
    expect(inside([[return pcall(json.decode, 5)]])):equals(false)
    local _, _, code = inside([[return json.decode(haggle.bytes "\xff\xfe")]])
    expect(code):equals "malformed"
  end)
end)

describe("json.encode", function()
  it("writes what others read", function()
    local text = inside([[return json.encode { a = 1, b = 1.0, c = { true, haggle.null },
      d = "\"\\\n\u{1F600}</", e = haggle.array {}, f = {}, ["$x"] = math.maxinteger, g = 0.1,
        h = 1e300 }]])
    expect(text):equals('{"a":1,"b":1.0,"c":[true,null],"d":"\\"\\\\\\n😀</","e":[],"f":{},"g":0.1,'
      .. '"h":1e+300,"$x":9223372036854775807}')
  end)
  it("indents", function()
    expect(inside([[return json.encode({ a = { 1, 2 }, b = {} }, { indent = 2 })]])):equals
      '{\n  "a": [\n    1,\n    2\n  ],\n  "b": {}\n}'
  end)
  it("raises for what JSON has not", function()
    for body, says in pairs {
      ["haggle.bytes 'x'"] = "base64", ["{ a = haggle.bytes 'x' }"] = "a: JSON has no bytes",
      ["print"] = "function", ["{ 1, nil, 3 }"] = "holes", ["{ 1, a = 2 }"] = "keys",
        ["0/0"] = "finite",
      ["math.huge"] = "finite", ["'\\xff'"] = "UTF%-8", ["nil"] = "haggle.null",
    } do
      local ok, why = inside("return pcall(json.encode, " .. body .. ")")
      expect { body, ok }:equals { body, false }
      expect(why):matches(says)
    end
    local ok, why = inside [[local t = {} t.t = t return pcall(json.encode, t)]]
    expect(ok):equals(false)
    expect(why):exists()
    expect(inside [[return pcall(json.encode, {}, { indents = 2 })]]):equals(false)
    expect(inside [[return pcall(json.encode, {}, { indent = 9 })]]):equals(false)
  end)
  it("writes tables of state, also in a handler that is run again", function()
    local world = test.world()
    world:agent { name = "a", source = [[
      local json = require "haggle.json"
      agent.on("try/1.0/go", function(message)
        state.list = { 1, { x = "y" } }
        local before = json.encode { list = state.list, n = 1 }
        agent.sleep "1h"
        state.list[3] = before
        agent.sleep "1h"
        state.said = { before = before, after = json.encode(state.list) }
      end)]] }
    local peer = world:peer("p", {})
    peer:send("a", "try/1.0/go", {})
    for _ = 1, 5 do
      world:advance "30m"
      world:restart()
    end
    expect(world:dead()):equals {}
    local text = '{"n":1,"list":[1,{"x":"y"}]}'
    expect(world:state("a").said.before):equals(text)
    expect(world:state("a").said.after):matches '^%[1,{"x":"y"},"{.*"%]$'
  end)
end)
