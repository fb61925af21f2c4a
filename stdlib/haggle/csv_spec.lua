local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, csv = require "haggle", require "haggle.csv"
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

describe("csv.parse", function()
  local function parse(text, options)
    return inside("return csv.parse(given, " .. (options or "nil") .. ")", text)
  end
  it("reads rows of fields", function()
    expect(parse "a,b\r\nc,d\r\n"):equals { { "a", "b" }, { "c", "d" } }
    expect(parse "a,b\nc,d"):equals { { "a", "b" }, { "c", "d" } }
    expect(parse ",\n"):equals { { "", "" } }
    expect(parse "a\n\nb"):equals { { "a" }, { "" }, { "b" } }
    expect(parse ""):equals {}
    expect(parse "\u{FEFF}a"):equals { { "a" } }
    expect(parse "a,"):equals { { "a", "" } }
  end)
  it("reads quotes, with commas, quotes and line ends within", function()
    expect(parse '"a,b","say ""hi""","two\r\nlines",""\nx'):equals { { "a,b", 'say "hi"',
      "two\r\nlines", "" }, { "x" } }
    expect(parse '""""'):equals { { '"' } }
  end)
  it("reads maps with a header, and other separators", function()
    expect(parse("city;c\nGraz;20\n", '{ header = true, separator = ";" }')):equals { {
      city = "Graz", c = "20" } }
    expect(parse("a\tb", '{ separator = "\\t" }')):equals { { "a", "b" } }
    expect(parse("a.b^c", '{ separator = "^" }')):equals { { "a.b", "c" } }
    expect(parse("axb", '{ separator = "x" }')):equals { { "a", "b" } }
    expect(parse("a,b\n1\n1,2,3\n", "{ header = true, loose = true }")):equals { { a = "1" }, {
      a = "1", b = "2" } }
  end)
  it("says what is wrong, and in which line", function()
    for text, says in pairs {
      ['a\n"b'] = "line 2: a quote that is not closed",
        ['a\nb"c'] = "line 2: a quote within a field",
      ['"a\n\n"b'] = "line 3: text behind", ["a\rb"] = "line 1: a carriage return",
      [("x,"):rep(1000)] = "more than 1000 fields",
    } do
      local _, why, code = parse(text)
      expect(code):equals "malformed"
      expect(why):matches(says)
    end
    for text, says in pairs {
      ["a,b\n1"] = "line 2: 1 fields, the header names 2", ["a,a"] = "two fields named 'a'",
      ['a,b\n"1\n",2\n1,2,3'] = "line 4: 3 fields", ["a,,b"] = "without a name",
    } do
      local _, why = parse(text, "{ header = true }")
      expect(why):matches(says)
    end
  end)
  it("goes row by row", function()
    expect { inside [[
      local lines, first = {}, nil
      for row, line in csv.rows('a\n"b\nc"\nd\n') do
        lines[#lines + 1], first = line, first or row[1]
      end
      local ok, why = pcall(function() for _ in csv.rows "a\n\"" do end end)
      return lines, first, ok, why]] }:has { { 1, 2, 4 }, "a", false }
  end)
  it("takes its time with hostile text, not more", function()
    expect(#parse(("\n"):rep(20000))):equals(20000)
    local _, why = parse('"' .. ('""'):rep(50000))
    expect(why):matches "not closed"
  end)
end)

describe("csv.format", function()
  it("writes what parse reads", function()
    local rows = { { "a", 'b"c', "d,e" }, { "", " x", "two\nlines" }, { "1.5", "true", "" }, {
      "" } }
    expect(inside([[return csv.parse(csv.format(given))]], rows)):equals(rows)
    expect(inside [[return csv.format({ { a = 1, b = true }, { b = "x" } }, { columns = { "a",
      "b" } })]]):equals
      "a,b\r\n1,true\r\n,x\r\n"
    expect(inside [[return csv.format {}]]):equals ""
  end)
  it("keeps spreadsheets from running what it writes", function()
    expect(inside [[return csv.format({ { "=1+1", "+x", "-x", "@x", "\tx", -5, "a=b" } }, {
      safe = true })]]):equals
      "'=1+1,'+x,'-x,'@x,'\tx,-5,a=b\r\n"
    expect(inside [[return csv.format({ { "=1+1" } })]]):equals "=1+1\r\n"
  end)
  it("says what it does not take", function()
    for _, call in ipairs { "csv.format, { { {} } }", "csv.format, {}, { colums = {} }",
      "csv.parse, 5",
      "csv.parse, 'x', { separator = ',,' }", "csv.parse, 'x', { separator = '\"' }" } do
      expect { call, (inside("return pcall(" .. call .. ")")) }:equals { call, false }
    end
  end)
end)
