-- The annotations of stdlib/types against what is really there, in both directions: the sandbox is
-- asked by running haggle.tool.probe in it, each function by calling it wrongly.
local test = require "haggle.test"
local haggle = require "haggle"
local types = require "haggle.tool.types"
local probe = require "haggle.tool.probe"
local parse = require "haggle.tool.parse"
local resolve = require "haggle.tool.resolve"
local describe, it, expect = test.describe, test.it, test.expect

local TREE = test.folder .. "/../.."

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function list(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local files, modules = {}, { "haggle" }
for _, name in ipairs(list("cd " .. TREE .. "/stdlib/types && find . -name '*.lua'")) do
  name = name:sub(3)
  files[name] = read(TREE .. "/stdlib/types/" .. name)
end
for _, name in ipairs(list(("cd %s/stdlib/haggle && ls *.lua"):format(TREE))) do
  if not name:find "_spec%.lua$" then modules[#modules + 1] = "haggle." .. name:sub(1, -5) end
end
local known = types.read(files)

local function sorted_keys(map, wanted)
  local names = {}
  for name, value in pairs(map or {}) do
    if not wanted or wanted(value) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- Names of annotated functions of "agent", "haggle.market" and so on.
local function annotated(owner)
  local names = {}
  for full in pairs(known.functions) do
    local of, name = full:match "^(.*)%.([%w_]+)$"
    if of == owner then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function is_function(thing) return thing.kind == "function" end
local function is_value(thing) return thing.kind ~= "function" end

local function shown(world)
  world:agent { name = "probe", source = probe.script, config = { modules = modules } }
  return world:ask("probe", "probe/1.0/show", {}).body
end

local function same_names(owner, class, fields)
  expect { owner, annotated(owner) }:equals { owner, sorted_keys(fields, is_function) }
  expect { owner, sorted_keys(class.fields) }:equals { owner, sorted_keys(fields, is_value) }
end

describe("the annotations", function()
  it("have every global that plain Lua has not, and no other", function()
    local seen, own = shown(test.world()).environment, {}
    for name in pairs(seen.globals) do
      if _G[name] == nil then own[#own + 1] = name end
    end
    table.sort(own)
    expect(sorted_keys(known.globals)):equals(own)
  end)

  it("have every field of agent, host and log, and no other", function()
    local seen = shown(test.world()).environment
    for _, name in ipairs { "agent", "host", "log" } do
      same_names(name, known.globals[name], seen.globals[name].fields)
    end
  end)

  it("have every module that an agent can require, and its exports", function()
    local seen = shown(test.world()).environment
    for _, name in ipairs(modules) do
      local module = seen.modules[name]
      expect { name, known.modules[name] ~= nil }:equals { name, true }
      if module.fields then
        same_names(name, known.modules[name], module.fields)
      else -- a module for specs
        local fields = {}
        for field, value in pairs(require(name)) do fields[field] = { kind = type(value) } end
        same_names(name, known.modules[name], fields)
      end
    end
    for name in pairs(known.modules) do
      expect { name, seen.modules[name] ~= nil }:equals { name, true }
    end
  end)

  it("name the parameters as they are declared", function()
    for full, func in pairs(known.functions) do
      local names = {}
      for _, param in ipairs(func.params) do names[#names + 1] = param.name end
      expect { full, names }:equals { full, func.names }
    end
    for _, name in ipairs(modules) do
      local file = io.open(TREE .. "/stdlib/" .. name:gsub("%.", "/") .. ".lua", "rb")
      local unit = file and assert(parse(file:read "a"))
      if file then file:close() end
      for _, assign in ipairs(unit and unit.assigns or {}) do
        local target, func = assign.target, assign.value and resolve.func(assign.value)
        local note = func and target.t == "index" and unit.result and unit.result.t == "name"
          and target.object.var == unit.result.var and known.functions[name .. "." .. target.key]
        if note then
          local names = {}
          for _, param in ipairs(func.params) do names[#names + 1] = param.name end
          if func.vararg then names[#names + 1] = "..." end
          expect { note.name, names }:equals { note.name, note.names }
        end
      end
    end
  end)

  it("name only types that there are", function()
    local plain = { string = true, integer = true, number = true, boolean = true, table = true,
      any = true, ["true"] = true, T = true, ["nil"] = true }
    local function check(where, kind)
      for _, part in ipairs(types.parts(known, kind)) do
        part = part:gsub("%?$", ""):gsub("%[%]$", "")
        local good = plain[part] or known.classes[part] or known.aliases[part]
          or part:find '^"' or part:find "^fun%(" or part:find "^table<"
        expect { where, part, good and true }:equals { where, part, true }
      end
    end
    for name, func in pairs(known.functions) do
      for _, param in ipairs(func.params) do check(name, param.type) end
    end
    for name, class in pairs(known.classes) do
      for _, field in pairs(class.fields) do check(name, field.type) end
      expect { name, not class.parent or known.classes[class.parent] ~= nil }:equals { name, true }
    end
  end)
end)

-- Calling wrongly --------------------------------------------------------------------------------

-- Says, for each call { name, given, count }, what pcall gave: in a handler, in a comparator, or
-- (for those of config.calls) at the top level. "$message" stands for the message, "$function" for
-- a function.
local CALLER = [[
local haggle = require "haggle"
local roots = { agent = agent, host = host, log = log }
for _, name in ipairs(agent.config.modules) do
  local ok, module = pcall(require, name)
  if ok then roots[name] = module end
end

local function perform(call, message)
  local root, name = call.name:match "^(.+)%.([%w_]+)$"
  local fn = root and roots[root][name] or message and message[call.name]
  local given = {}
  for k = 1, call.count do
    local value = call.given[k]
    if value == "$message" then value = message end
    if value == "$function" then value = function() return "x" end end
    if value == haggle.null then value = nil end
    given[k] = value
  end
  local ok, why
  if call.sorting then
    table.sort({ 1, 2 }, function() ok, why = pcall(fn, table.unpack(given, 1, call.count)) end)
  else
    ok, why = pcall(fn, table.unpack(given, 1, call.count))
  end
  return ok and "" or tostring(why)
end

local at_top = haggle.array {}
for i, call in ipairs(agent.config.calls) do at_top[i] = perform(call) end

agent.on_timer("timer", function() end)
agent.on("call/1.0/all", function(message)
  local said = haggle.array {}
  for i, call in ipairs(message.body.calls) do said[i] = perform(call, message) end
  message:reply("said", { said = said, top = at_top })
end)
]]

local SAMPLES = {
  ["haggle.Peer"] = "nobody", ["haggle.Duration"] = "5ms", ["haggle.Value"] = "x", any = "x",
  ["haggle.Message|haggle.Ref"] = "$message", ["haggle.Message|haggle.Ref|string"] = "$message",
  ["haggle.Duration|haggle.Schedule"] = "5ms", ["table[]"] = { { "nobody", "a/1.0/b", {} } },
  table = {}, ["string|haggle.Bytes"] = "x", boolean = true, integer = 1, ["T[]"] = {},
}
local BY_NAME = { type = "a/1.0/b", name = "timer", performative = "other", text = "00",
  kind = "read", value = "/x", key = "k", why = "w", code = "c", path = "/x" }

local function sample(param)
  if param.type:find "^fun%(" then return "$function" end
  if param.type == "string" then return BY_NAME[param.name] or "x" end
  local class = types.class_of(known, param.type)
  if class and SAMPLES[param.type] == nil then
    local value = { [" "] = nil }
    for name, field in pairs(class.fields) do
      if not field.optional then value[name] = sample { name = name, type = field.type } end
    end
    return value
  end
  return SAMPLES[param.type]
end

-- The arguments up to and with number `count`; the last one replaced, if `last` is given.
local function call_of(func, count, last)
  local given = haggle.array {}
  for i = 1, count do
    local value = sample(func.params[i])
    if value == nil then value = haggle.null end
    given[i] = value
  end
  if last ~= nil then given[count] = last end
  local name = func.name:gsub("^haggle%.Message:", "")
  if func.name:find ":" then
    table.insert(given, 1, "$message")
    count = count + 1
  end
  return { name = name, given = given, count = count }
end

-- What is said of calls in a handler, and of those at the top level.
local function run_calls(calls, top)
  local world = test.world()
  world:agent { name = "caller", source = CALLER,
    config = { modules = haggle.array(modules), calls = top or haggle.array {} } }
  local peer = world:peer("asker", { handles = { "call/1.0/said" } })
  peer:send("caller", "call/1.0/all", { calls = calls })
  local body = peer:expect("call/1.0/said", "1h").body
  return body.said, body.top
end

local function callable()
  local found = {}
  for full, func in pairs(known.functions) do
    local in_handler = not (func.doc or ""):find "For the top level"
    local ours = full:find "^agent%." or full:find "^host%." or full:find "^log%."
      or full:find "^haggle%.[%w_]+$" or full:find "^haggle%.Message:"
    if in_handler and ours and full ~= "agent.exclusive" and full ~= "agent.continue" then
      found[#found + 1] = func
    end
  end
  table.sort(found, function(a, b) return a.name < b.name end)
  return found
end

describe("the functions, called wrongly,", function()
  it("need the parameters that are annotated as needed", function()
    local calls, about = haggle.array {}, {}
    for _, func in ipairs(callable()) do
      local needed = 0
      for i, param in ipairs(func.params) do
        if not param.optional and param.type ~= "any" then needed = i end
      end
      if needed > 0 and not func.async then
        calls[#calls + 1] = call_of(func, needed, haggle.null)
        about[#calls] = { func.name .. " without argument " .. needed, true }
        calls[#calls + 1] = call_of(func, needed)
        about[#calls] = { func.name .. " with " .. needed, false }
      end
    end
    for i, said in ipairs(run_calls(calls)) do
      local raised = said ~= "" and not said:find "dialogue" and not said:find "evidence"
        and not said:find "grant %-%-allow"
      expect { about[i][1], raised, raised and said }:equals {
        about[i][1], about[i][2], about[i][2] and said }
    end
    expect(#calls > 20):is_true()
  end)

  it("do without the parameters that are annotated as optional", function()
    local calls, about = haggle.array {}, {}
    for _, func in ipairs(callable()) do
      local needed = 0
      for i, param in ipairs(func.params) do
        if not param.optional then needed = i end
      end
      if needed < #func.params and not func.async then
        calls[#calls + 1] = call_of(func, needed)
        about[#calls] = func.name
      end
    end
    for i, said in ipairs(run_calls(calls)) do
      expect { about[i], said:find "bad argument" or said:find "expected" }:equals { about[i] }
    end
    expect(#calls >= 8):is_true()
  end)

  it("know the options that are annotated, and no others", function()
    local calls, top, about, about_top = haggle.array {}, haggle.array {}, {}, {}
    for _, full in ipairs(sorted_keys(known.functions)) do
      local func = known.functions[full]
      local is_top = func.doc:find "For the top level" ~= nil
      for i, param in ipairs(func.params) do
        local class = types.class_of(known, param.type)
        if class and (param.name == "options" or param.name == "schedule"
          or param.name == "description") and not full:find "^haggle%.test" then
          local to, names = is_top and top or calls, is_top and about_top or about
          to[#to + 1] = call_of(func, i, { ["?"] = 1 })
          names[#names + 1] = { full, sorted_keys(class.fields) }
        end
      end
    end
    local said, said_top = run_calls(calls, top)
    local function compare(texts, wanted)
      for i, text in ipairs(texts) do
        expect { wanted[i][1], text, text:find "unknown option '%?'" ~= nil }:equals {
          wanted[i][1], text, true }
        local names = {}
        for name in (text:match "known: ([%w_, ]*)" or ""):gmatch "[%w_]+" do
          names[#names + 1] = name
        end
        table.sort(names)
        if #names > 0 then expect { wanted[i][1], names }:equals(wanted[i]) end
      end
    end
    compare(said, about)
    compare(said_top, about_top)
    expect(#calls >= 8 and #top >= 4):is_true()
  end)

  -- A module's set of options is a table of which every value is true.
  it("have each option that a module's source knows", function()
    local count = 0
    for _, name in ipairs(modules) do
      local file = io.open(TREE .. "/stdlib/" .. name:gsub("%.", "/") .. ".lua", "rb")
      local unit = file and assert(parse(file:read "a"))
      if file then file:close() end
      for _, node in ipairs(unit and unit.tables or {}) do
        local is_set = #node.items > 0
        for _, item in ipairs(node.items) do
          is_set = is_set and item.key and item.key:find "^[%l_]+$" and item.value.t == "true"
        end
        for _, item in ipairs(is_set and node.items or {}) do
          local found = false
          for class, about in pairs(known.classes) do
            local of = class:sub(1, #name + 1) == name .. "."
            found = found or of and about.fields[item.key] ~= nil
          end
          expect { name, item.key, found }:equals { name, item.key, true }
          count = count + 1
        end
      end
    end
    expect(count >= 8):is_true()
  end)

  it("know each option of haggle.market that is annotated", function()
    local top, about = haggle.array {}, {}
    for _, full in ipairs { "haggle.market.sell", "haggle.market.buy" } do
      local class = types.class_of(known, known.functions[full].params[1].type)
      for _, name in ipairs(sorted_keys(class.fields)) do
        top[#top + 1] = { name = full, given = haggle.array { { [name] = {} } }, count = 1 }
        about[#top] = full .. " " .. name
      end
    end
    local _, said = run_calls(haggle.array {}, top)
    for i, text in ipairs(said) do
      expect { about[i], text:find "unknown option" ~= nil }:equals { about[i], false }
    end
    expect(#top >= 25):is_true()
  end)

  it("read the durations that are annotated as such", function()
    local calls, about = haggle.array {}, {}
    for _, func in ipairs(callable()) do
      for i, param in ipairs(func.params) do
        local class = types.class_of(known, param.type)
        if param.type == "haggle.Duration" then
          calls[#calls + 1] = call_of(func, i, "5 parsecs")
          about[#calls] = func.name
        elseif class and param.name == "options" then
          for _, name in ipairs(sorted_keys(class.fields)) do
            if class.fields[name].type == "haggle.Duration" then
              calls[#calls + 1] = call_of(func, i, { [name] = "5 parsecs" })
              about[#calls] = func.name .. " " .. name
            end
          end
        end
      end
    end
    for i, said in ipairs(run_calls(calls)) do
      expect { about[i], said:find "is not a duration" ~= nil }:equals { about[i], true }
    end
    expect(#calls >= 6):is_true()
  end)

  it("wait where they are annotated as async, and nowhere else", function()
    local calls, about = haggle.array {}, {}
    for _, func in ipairs(callable()) do
      local call = call_of(func, #func.params)
      call.sorting = true
      calls[#calls + 1] = call
      about[#calls] = { func.name, func.async }
    end
    for i, said in ipairs(run_calls(calls)) do
      expect { about[i][1], said:find "cannot wait" ~= nil }:equals(about[i])
    end
  end)

  it("are for the top level where the annotation says so, and only there", function()
    local declares = {} -- refused in a handler
    for _, name in ipairs(shown(test.world()).declares) do declares[name] = true end
    for full, func in pairs(known.functions) do
      if full:find "^agent%." or full:find "^host%." then
        expect { full, func.doc:find "For the top level" ~= nil }:equals {
          full, declares[full] == true }
      end
    end
  end)
end)

-- Methods of a class, sorted, and the parameters of each.
local function methods_of(class)
  local names, params = {}, {}
  for full, func in pairs(known.functions) do
    local name = full:match("^" .. class:gsub("%.", "%%.") .. ":(.*)$")
    if name then
      names[#names + 1] = name
      params[name] = func.names
    end
  end
  table.sort(names)
  return names, params
end

describe("what specs are written with", function()
  it("has the methods that are annotated, and no others", function()
    local world = test.world()
    local objects = { World = world, Peer = world:peer("someone", {}) }
    for name, object in pairs(objects) do
      local there = sorted_keys(getmetatable(object).__index)
      for i = #there, 1, -1 do
        if there[i]:find "^__" then table.remove(there, i) end
      end
      expect { name, (methods_of("haggle.test." .. name)) }:equals { name, there }
    end
    local checks, source = {}, read(TREE .. "/stdlib/haggle/test/expect.lua")
    for name in source:gmatch "\nfunction checks%.([%w_]+)" do checks[#checks + 1] = name end
    table.sort(checks)
    expect((methods_of "haggle.test.Expectation")):equals(checks)
  end)

  it("takes the parameters that are annotated", function()
    local _, world = methods_of "haggle.test.World"
    local _, peer = methods_of "haggle.test.Peer"
    local source = read(TREE .. "/stdlib/haggle/test/world.lua")
    for owner, name, parameters in source:gmatch "\nfunction (%u%l+):([%w_]+)%((.-)%)" do
      local params = {}
      for param in parameters:gmatch "[^, ]+" do params[#params + 1] = param end
      local noted = owner == "World" and world or peer
      expect { name, noted[name] }:equals { name, params }
    end
    local class = known.classes["haggle.test.AgentOptions"]
    for name in source:match("AGENT_OPTIONS = {(.-)}"):gmatch "([%w_]+) =" do
      expect { name, class.fields[name] ~= nil }:equals { name, true }
    end
  end)
end)

describe("a message", function()
  it("has the fields and methods that are annotated, and no others", function()
    local world = test.world()
    world:agent { name = "mirror", source = [[
      agent.on("mirror/1.0/show", function(message)
        local seen = {}
        for i, name in ipairs(message.body.names) do seen[name] = type(message[name]) end
        message:reply("seen", seen)
      end)]] }
    local source = read(TREE .. "/runtime/lua/bind_message.c")
    local there, names = {}, haggle.array {}
    for name in source:match("static int message_index.-\n}\n"):gmatch '{"([%w_]+)"' do
      there[#there + 1] = name
    end
    for name in pairs(known.classes["haggle.Message"].fields) do names[#names + 1] = name end
    for full in pairs(known.functions) do
      names[#names + 1] = full:match "^haggle%.Message:(.*)$"
    end
    table.sort(names)
    table.sort(there)
    expect(names):equals(there)
    local seen = world:ask("mirror", "mirror/1.0/show", { names = names }).body
    for _, name in ipairs(names) do
      local field = known.classes["haggle.Message"].fields[name]
      local kind = not field and "function" or field.optional and "nil"
        or field.type == "integer" and "number" or field.type:match "^%a+"
      if seen[name] == "nil" or not (field and field.optional) then
        expect { name, seen[name] }:equals { name, kind }
      end
    end
  end)
end)
