-- What there is stands in its document: modules and their exports, verbs and options, keys of host
-- files, limits, calls of the control API. All of it is taken from the program, which is asked, or
-- from the table that it goes by. (Globals and their fields: globals_spec.lua.)
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local TREE = test.folder .. "/../.."

local function read(path)
  local file = io.open(TREE .. "/" .. path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function lines_of(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local program = lines_of("readlink /proc/$PPID/exe")[1]
local writing = read "stdlib/README.md"

-- The part of a page below a heading, up to the next one of its level or above.
local function section(page, heading)
  local level = heading:match "^#+"
  local from = page:find("\n" .. heading .. "\n", 1, true)
  if not from then return nil end
  local stop = #page
  for depth = 1, #level do
    local next_one = page:find("\n" .. ("#"):rep(depth) .. " ", from + #heading + 1, true)
    if next_one and next_one < stop then stop = next_one end
  end
  return page:sub(from, stop)
end

-- As code: `name`, `x.name(…)`, `:name(…)`, or in a block.
local function names(text, name)
  return (" " .. text):find("[^%w_]" .. name:gsub("%p", "%%%0") .. "[^%w_]") ~= nil
end

local function missing(list, text)
  local found = {}
  for _, name in ipairs(list) do
    if not names(text, name) then found[#found + 1] = name end
  end
  return found
end

-- Exports that a page does not name as `module.export`.
local function undescribed(exports, page)
  local found = {}
  for _, name in ipairs(exports) do
    if not page:find("[%w_]%." .. name .. "[^%w_]") then found[#found + 1] = name end
  end
  return found
end

-- What agents can require, and haggle.test, which specs can: name → its exports. Those of "haggle"
-- itself are in globals_spec.lua.
local function modules()
  local list, found = { "haggle" }, {}
  for _, file in ipairs(lines_of(("cd %s/stdlib/haggle && ls *.lua"):format(TREE))) do
    if not file:find "_spec%.lua$" then list[#list + 1] = "haggle." .. file:sub(1, -5) end
  end
  local world = test.world()
  world:agent { name = "probe", source = require "haggle.tool.probe".script,
    config = { modules = list } }
  local seen = world:ask("probe", "probe/1.0/show", {}).body.environment.modules
  for _, name in ipairs(list) do
    if name ~= "haggle" then found[name] = {} end
    for field in pairs(found[name] and (seen[name].fields or require(name)) or {}) do
      table.insert(found[name], field)
    end
  end
  return found
end

describe("stdlib/README.md", function()
  it("or a page of its own describes each module and its exports", function()
    local count = 0
    for name, exports in pairs(modules()) do
      local page = section(writing, "## " .. name)
        or read(("stdlib/%s.md"):format(name:gsub("%.", "/")))
      expect { name, page ~= nil }:equals { name, true }
      if name == "haggle.test" then -- `show` is for those who extend it
        for i = #exports, 1, -1 do
          if exports[i] == "show" then table.remove(exports, i) end
        end
      end
      expect { name, undescribed(exports, page) }:equals { name, {} }
      count = count + 1
    end
    expect(count >= 2):is_true()
  end)

  it("links to the pages of modules", function()
    for _, file in ipairs(lines_of(("cd %s/stdlib && ls haggle/*.md 2>/dev/null"):format(TREE))) do
      expect { file, writing:find("](" .. file .. ")", 1, true) ~= nil }:equals { file, true }
    end
  end)
end)

-- Headings as links name them, in order: "haggle, log, host" → "haggle-log-host".
local function anchors(page)
  local list, is_there = {}, {}
  for level, title in ("\n" .. page:gsub("\n```.-\n```", "")):gmatch "\n(#+) ([^\n]+)" do
    local anchor = title:lower():gsub("`", ""):gsub("[^%w%s_\128-\255-]", ""):gsub(" ", "-")
    is_there[anchor] = true
    if level == "##" then list[#list + 1] = anchor end
  end
  return list, is_there
end

describe("the documents", function()
  local pages = lines_of(("cd %s && git ls-files '*.md' 2>/dev/null"):format(TREE))
  if #pages == 0 then -- a copy without its history
    pages = lines_of(("cd %s && find * -name '*.md' -not -path 'build/*'"):format(TREE))
  end

  it("link to what is there", function()
    local count = 0
    for _, path in ipairs(pages) do
      local page = read(path):gsub("\n```.-\n```", "")
      for target in page:gmatch "%]%(([^)%s]+)%)" do
        local file, anchor = target:match "^([^#]*)#?(.*)$"
        if not target:find "^%a+:" then
          local there = file == "" and path or path:gsub("[^/]*$", "") .. file
          local listed = lines_of(("ls -d '%s/%s' 2>/dev/null"):format(TREE, there))
          local text = listed[1] and (file:find "/$" and "" or read(there))
          expect { path, target, text and true }:equals { path, target, true }
          local _, known = anchors(text)
          expect { path, target, anchor == "" or known[anchor] }:equals { path, target, true }
          count = count + 1
        end
      end
    end
    expect(count > 60):is_true()
  end)

  it("have contents of all their parts, in order", function()
    for _, path in ipairs { "stdlib/README.md", "runtime/host/COMMANDS.md" } do
      local page, listed = read(path), {}
      for line in page:match("^(.-)\n## "):gmatch "\n(%- [^\n]+)" do
        for anchor in line:gmatch "%]%(#([^)]+)%)" do listed[#listed + 1] = anchor end
      end
      expect(#listed > 10):is_true()
      expect { path, listed }:equals { path, (anchors(page)) }
    end
  end)
end)

-- The keys that a host file may have at a place, as the program tells them.
local function known_keys(pattern)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(pattern)
  file:close()
  local said = table.concat(lines_of(("%s run --config %s 2>&1"):format(program, path)), "\n")
  os.remove(path)
  local keys = {}
  for key in (said:match "known are (.*)$" or ""):gmatch "[%w_]+" do keys[#keys + 1] = key end
  expect { pattern, said, #keys > 1 }:equals { pattern, said, true }
  return keys
end

describe("the host file", function()
  it("is described with all its keys", function()
    local here = section(writing, "## The host file")
    local failing = section(writing, "## When an agent fails")
    local agent = 'return { agents = { { name = "a", script = "a.lua", %s } } }'
    expect(missing(known_keys "return { qqqqqqqqq = 1 }", here)):equals {}
    expect(missing(known_keys "return { tls = { qqqqqqqqq = 1 } }", here)):equals {}
    expect(missing(known_keys "return { journal = { qqqqqqqqq = 1 } }", here)):equals {}
    expect(missing(known_keys "return { hibernate = { qqqqqqqqq = 1 } }", here)):equals {}
    expect(missing(known_keys(agent:format "qqqqqqqqq = 1"), here)):equals {}
    expect(missing(known_keys "return { groups = { a = { qqqqqqqqq = 1 } } }", failing)):equals {}
    expect(missing(known_keys(agent:format "restart = { qqqqqqqqq = 1 }"), failing)):equals {}
  end)

  it("is described with all limits, and no others", function()
    local page, listed = section(writing, "### Limits"), {}
    for name in page:gmatch "\n| `([%w_]+)` |" do listed[#listed + 1] = name end
    local limits = known_keys
      'return { agents = { { name = "a", script = "a.lua", limits = { qqqqqqqqq = 1 } } } }'
    table.sort(listed)
    table.sort(limits)
    expect(listed):equals(limits)
  end)
end)

describe("runtime/host/COMMANDS.md", function()
  local page = read "runtime/host/COMMANDS.md"
  local common = page:match "^(.-)\n## "

  -- verb → { "--data DIR", … }, as help shows them.
  local function verbs()
    local found, count = {}, 0
    for _, line in ipairs(lines_of(program .. " help")) do
      local verb = line:match "^  ([%l-]+)  +%S"
      if verb and verb ~= "haggle" then
        local options = {}
        for _, text in ipairs(lines_of(("%s %s --help"):format(program, verb))) do
          options[#options + 1] = text:match "^  (%-%-%S+ %S+)  " or text:match "^  (%-%-%S+ %S+)$"
            or text:match "^  (%-%-%S+)"
        end
        found[verb], count = options, count + 1
      end
    end
    expect(count > 20):is_true()
    return found
  end

  -- The lines of `haggle help` and of the page's contents: "Writing agents: new check test", …
  it("has them in the groups and the order of `haggle help`", function()
    local shown, listed, sections = {}, {}, {}
    for _, line in ipairs(lines_of(program .. " help")) do
      local verb = line:match "^  ([%l-]+)  +%S"
      if line:find "^%u" then shown[#shown + 1] = line .. ":"
      elseif verb and verb ~= "haggle" then shown[#shown] = shown[#shown] .. " " .. verb end
    end
    for title, verbs_of in common:gmatch "\n%- ([^\n:]+:)([^\n]+)" do
      listed[#listed + 1] = title .. verbs_of:gsub("%[(%l+)%]%(#(%l+)%),?", function(text, target)
        expect(target):equals(text)
        return text
      end)
    end
    expect(#listed > 3):is_true()
    expect(listed):equals(shown)
    for verb in page:gmatch "\n## ([%w-]+)\n" do sections[#sections + 1] = verb end
    local order = table.concat(listed, "\n"):gsub("[^\n:]+:", ""):gsub("%s+", " ")
    expect(" " .. table.concat(sections, " ")):equals(order)
  end)

  it("has each verb with all its options", function()
    for verb, options in pairs(verbs()) do
      local text = section(page, "## " .. verb)
      expect { verb, text ~= nil }:equals { verb, true }
      for _, option in ipairs(options) do
        local row = ("| `%s` |"):format((option:gsub("|", "\\|")))
        expect { verb, option, (text .. common):find(row, 1, true) ~= nil }:equals {
          verb, option, true }
      end
    end
  end)

  it("has no verb and no option that there is not", function()
    local all = verbs()
    for verb in page:gmatch "\n## ([%w-]+)\n" do
      expect { verb, all[verb] ~= nil }:equals { verb, true }
      local there = {}
      for _, option in ipairs(all[verb]) do there[option] = true end
      for row in section(page, "## " .. verb):gmatch "\n| `(%-%-[^`]+)` |" do
        local option = row:gsub("\\|", "|")
        expect { verb, option, there[option] }:equals { verb, option, true }
      end
    end
  end)
end)

describe("runtime/host/CONTROL.md", function()
  it("has each call of the control API, and no others", function()
    local source, page = read "runtime/host/control_api.c", read "runtime/host/CONTROL.md"
    local calls, listed = {}, {}
    for name in source:gmatch '{"([%l.]+)", [%w_]+, [%w_]+, HGL_ROLE_%u+}' do
      calls[#calls + 1] = name
    end
    for row in page:match("\n| Call |.-\n\n"):gmatch "\n| (`[^|]*) |" do
      for name in row:gmatch "`([%l.]+)`" do listed[#listed + 1] = name end
    end
    table.sort(calls)
    table.sort(listed)
    expect(#calls > 20):is_true()
    expect(listed):equals(calls)
  end)
end)
