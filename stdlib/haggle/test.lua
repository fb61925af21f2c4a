-- haggle.test: what specs (`haggle test`) are written with. A spec runs in plain Lua 5.4, its
-- agents in worlds: hosts on a virtual clock, in memory, without network.
--
--   local test = require "haggle.test"
--   local describe, it, expect = test.describe, test.it, test.expect
--
--   describe("echo", function()
--     it("says it back", function()
--       local world = test.world()
--       world:agent { name = "echo", script = "agent.lua" }
--       local peer = world:peer("visitor", { handles = { "echo/1.0/said" } })
--       peer:send("echo", "echo/1.0/say", { text = "hi" })
--       expect(peer:expect("echo/1.0/said").body):equals { text = "hi" }
--     end)
--   end)
--
-- Its parts: haggle.test.world (worlds and peers), haggle.test.expect (expectations) and
-- haggle.test.diff (how values differ).
local runner = require "haggle.test.runner"
local diff = require "haggle.test.diff"
local new_world = require "haggle.test.world"

local test = {
  expect = require "haggle.test.expect",
  show = diff.show,
  spec = runner.spec,     -- this file
  folder = runner.folder, -- where it is
}

local LOG_LINES_MAX = 10 -- shown with a failure

-- The describe that is being run, and those around it: { name =, before =, after =, outer = }.
local group = { before = {}, after = {} }
local worlds, running = {}, false

-- Placeholders -----------------------------------------------------------------------------------

-- In an expected value: anything but nil.
test.anything = diff.placeholder("anything", function(value) return value ~= nil end)

-- Text in which the pattern is found.
function test.like(pattern)
  return diff.placeholder("text like " .. diff.show(pattern), function(value)
    return type(value) == "string" and value:find(pattern) ~= nil
  end)
end

-- A value of this type: "string", "table" …, or "integer" or "float".
function test.a(kind)
  return diff.placeholder("a value of type " .. kind, function(value)
    return type(value) == kind or math.type(value) == kind
  end)
end

-- Failures ---------------------------------------------------------------------------------------

-- The innermost line of the spec itself.
local function line_in_spec()
  for level = 3, 200 do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    if info.source == "@" .. test.spec then return info.currentline end
  end
end

local function explain(raised)
  local line = line_in_spec()
  if type(raised) == "table" and (raised.failure or raised.pending) then
    return { message = raised.failure, pending = raised.pending, line = line }
  end
  local text = type(raised) == "table" and diff.show(raised) or tostring(raised)
  return { message = text, line = line }
end

-- Warnings and errors of the worlds. What a handler raised again is not repeated for each attempt.
local function noisy_lines()
  local lines, last = {}, nil
  for _, world in ipairs(worlds) do
    local ok, all = pcall(world.log, world)
    for _, line in ipairs(ok and all or {}) do
      local at = line.host == "home" and "" or "@" .. line.host
      local text = line.who .. at .. ": " .. line.text
      local raised = text:match "^(.-) %[[^%]]-, attempt %d+%]" or text
      if (line.level == "warn" or line.level == "error") and raised ~= last then
        lines[#lines + 1] = text
        last = raised
      end
    end
  end
  return table.concat(lines, "\n", math.max(1, #lines - LOG_LINES_MAX + 1))
end

-- Declaring --------------------------------------------------------------------------------------

local function check_outside(what)
  if running then error(what .. " stands outside of tests", 3) end
end

local function full_name(name)
  local parts, at = { name }, group
  while at.outer do
    table.insert(parts, 1, at.name)
    at = at.outer
  end
  return table.concat(parts, ": ")
end

function test.describe(name, fn)
  check_outside "describe"
  group = { name = name, before = {}, after = {}, outer = group }
  local inner = group
  fn()
  group = inner.outer
end

-- Called before each test of this describe (or file) and those within, the outer ones first.
function test.before_each(fn)
  check_outside "before_each"
  table.insert(group.before, fn)
end

-- Called after each, also when it has failed, the inner ones first. The worlds are still there.
function test.after_each(fn)
  check_outside "after_each"
  table.insert(group.after, fn)
end

local function prepare(at)
  if at.outer then prepare(at.outer) end
  for _, fn in ipairs(at.before) do fn() end
end

local function clean_up(at)
  for i = #at.after, 1, -1 do at.after[i]() end
  if at.outer then clean_up(at.outer) end
end

local function is_wanted(name)
  return not runner.filter or name:find(runner.filter, 1, true) ~= nil
end

local function tell_pending(name, why)
  if is_wanted(name) then runner.tell { name = name, pending = true, message = why } end
end

-- A test that is still to be written, or cannot pass yet; its function, if there is one, is not
-- called. Within a test, `test.pending "why"` ends it so.
function test.pending(name, why)
  if running then error({ pending = name or "pending" }, 0) end
  tell_pending(full_name(name), type(why) == "string" and why or nil)
end

function test.it(name, fn)
  check_outside "it"
  local result = { name = full_name(name) }
  if not fn then return tell_pending(result.name) end
  if not is_wanted(result.name) then return end
  local at = group
  running = true
  local ok, why, ms = runner.try(function()
    prepare(at)
    fn()
  end, explain)
  local after_ok, after_why = runner.try(function() clean_up(at) end, explain)
  result.ok, result.ms = ok, ms
  running = false
  if result.ok and not after_ok then result.ok, why = false, after_why end
  if not result.ok then
    why = type(why) == "table" and why or { message = tostring(why) }
    result.pending, result.message, result.line = why.pending ~= nil, why.message, why.line
    if why.pending then result.message = why.pending else result.log = noisy_lines() end
  end
  for _, world in ipairs(worlds) do world.native:close() end
  worlds = {}
  runner.tell(result)
end

-- A world of this test. Options: see haggle.test.world.
function test.world(options)
  if not running then error("a world lives in one test: make it within test.it", 2) end
  local world = new_world(options)
  worlds[#worlds + 1] = world
  return world
end

return test
