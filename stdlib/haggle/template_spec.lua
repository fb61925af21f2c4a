local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, template = require "haggle", require "haggle.template"
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

local function render(text, values, escape)
  return inside("return template.render(given.text, given.values, given.escape)",
    { text = text, values = values, escape = escape or "none" })
end

describe("template", function()
  it("fills holes", function()
    expect(render("Dear {{ name }}, {{a.b}} {{n}} {{yes}}{{gone?}}.", { name = "Ada", a = {
      b = "x" }, n = 5, yes = true }))
      :equals "Dear Ada, x 5 true."
    expect(render("no holes { } }}", {})):equals "no holes { } }}"
    expect(render("{{! a remark }}x", {})):equals "x"
  end)
  it("goes through lists, with their numbers, to the fields around them", function()
    expect(render("{{#each list}}{{#}}:{{name}}{{sign}} {{/each}}", { sign = "!", list = { {
      name = "a" }, { name = "b" } } }))
      :equals "1:a! 2:b! "
    expect(render("{{#each l}}{{.}},{{/each}}", { l = { 1, "x" } })):equals "1,x,"
    expect(render("{{#each a}}{{#each b}}{{.}}{{/each}};{{/each}}", { a = { { b = { 1, 2 } }, {
      b = { 3 } } } }))
      :equals "12;3;"
  end)
  it("chooses", function()
    local text = "{{#if x}}yes{{else}}no{{/if}}"
    for _, case in ipairs { { true, "yes" }, { false, "no" }, { "", "no" }, { "a", "yes" }, { 0,
      "yes" }, { {}, "no" },
      { { 1 }, "yes" }, { { a = 1 }, "yes" } } do
      expect { case[1], render(text, { x = case[1] }) }:equals { case[1], case[2] }
    end
    expect(render(text, {})):equals "no"
    expect(render("{{#if x}}a{{/if}}b", {})):equals "b"
  end)
  it("escapes what is filled in, for where it goes", function()
    local nasty = { x = [[<script>"a" & 'b'</script>]] }
    expect(render("<p>{{x}}</p>", nasty, "html")):equals
      "<p>&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;</p>"
    expect(render('{"x":{{x}},"n":{{n}}}', { x = nasty.x, n = 1.5 }, "json")):equals
      [[{"x":"\u003cscript\u003e\"a\" \u0026 'b'\u003c/script\u003e","n":1.5}]]
    expect(render("{{x}}", { x = "{{y}}%1" })):equals "{{y}}%1"
  end)
  it("reads views of state, and no methods", function()
    local world = test.world()
    world:agent { name = "a", source = [[
      local template = require "haggle.template"
      local LETTER = template.compile "{{name}}: {{#each list}}{{n}} {{/each}}"
      agent.on("try/1.0/go", function(message)
        state.name, state.list = "x", { { n = 1 }, { n = 2 } }
        local text = template.render(LETTER, state, "none")
        local ok = pcall(template.render, "{{name.rep}}", state, "none")
        message:reply("done", { text = text, ok = ok })
      end)]] }
    expect(world:ask("a", "try/1.0/go", {}).body):equals { text = "x: 1 2 ", ok = false }
  end)
  it("says what is wrong, and in which line", function()
    for text, says in pairs {
      ["a\n{{x"] = "line 2: {{ that is not closed", ["{{#if x}}"] = "{{#if}} that is not closed",
      ["\n\n{{/if}}"] = "line 3: {{/if}} closes nothing", ["{{#if x}}{{/each}}"] = "closes nothing",
      ["{{else}}"] = "without {{#if}}", ["{{#if x}}{{else}}{{else}}{{/if}}"] = "without {{#if}}",
      ["{{}}"] = "is no name", ["{{a b}}"] = "is no name", ["{{a..b}}"] = "is no name",
        ["{{x()}}"] = "is no name",
      ["{{gone}}"] = "'gone' is not there", ["{{t}}"] = "'t' is a table",
        ["{{#each gone}}{{/each}}"] = "is not there",
      ["{{#each s}}{{/each}}"] = "is no list", [("{{#if x}}"):rep(17)] = "more than 16 levels",
    } do
      local ok, why = inside([[return pcall(template.render, given, { t = {}, s = "x" },
        "none")]], text)
      expect { text, ok }:equals { text, false }
      if not why:find(says, 1, true) then expect(why):equals(says) end
    end
    local ok, why = inside [[return pcall(template.render, "x", {})]]
    expect(ok):equals(false)
    expect(why):matches '"html", "json" or "none"'
  end)
  it("has bounds", function()
    expect(inside [[return pcall(template.compile, ("x"):rep(65537))]]):equals(false)
    local ok, why = inside [[
      local list = {}
      for i = 1, 200 do list[i] = i end
      return pcall(template.render, "{{#each l}}{{#each l}}" .. ("x"):rep(100)
        .. "{{/each}}{{/each}}", { l = list }, "none")]]
    expect(ok):equals(false)
    expect(why):matches "more than 1048576 bytes"
  end)
end)
