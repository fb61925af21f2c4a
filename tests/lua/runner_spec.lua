-- `haggle test` itself: what it prints, counts and exits with.
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local shell = assert(io.popen "readlink /proc/$PPID/exe")
local program = shell:read "l"
shell:close()

local PASSING = [[
local test = require "haggle.test"
test.it("one passes", function() test.expect(1):equals(1) end)
]]
local FAILING = [[
local test = require "haggle.test"
test.describe("sums", function()
  test.it("are wrong", function()
    local sum = { total = 1 + 1 }
    test.expect(sum):equals { total = 3 }
  end)
  test.it("warn", function()
    local world = test.world()
    world:agent { name = "loud", source = 'agent.on_start(function() log.warn "look out" end)' }
    world:run()
    error "stop here"
  end)
end)
]]

-- Runs the runner in a folder with these files: lines it printed, and its exit status.
local function run(files, arguments)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  for name, text in pairs(files) do
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end
  local command = ("cd %s && %s test %s 2>&1"):format(folder, program, arguments or "")
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  local _, _, status = pipe:close()
  os.execute("rm -r " .. folder)
  return lines, status
end

describe("haggle test", function()
  it("ends with the sum, and succeeds when nothing failed", function()
    local lines, status = run { ["a_spec.lua"] = PASSING, ["b_spec.lua"] = PASSING }
    expect(#lines):equals(3)
    expect(lines[1]):matches "^ok +%./a_spec%.lua +1 passed, 0 failed"
    expect(lines[3]):equals "2 passed, 0 failed"
    expect(status):equals(0)
  end)

  it("shows what failed, where, with which seed and what was logged", function()
    local lines, status = run({ ["a_spec.lua"] = FAILING }, "--seed 7")
    local text = table.concat(lines, "\n")
    expect(text):matches "FAILED  sums: are wrong\n    %./a_spec%.lua:5  %(%-%-seed 7%)\n"
    expect(text):matches "value%.total: expected 3, got 2"
    expect(text):matches "a_spec%.lua:11: stop here"
    expect(text):matches "loud: look out"
    expect(lines[#lines]):equals "0 passed, 2 failed"
    expect(status):equals(1)
  end)

  it("counts a spec that does not load, or raises, as one failure", function()
    local lines = run { ["a_spec.lua"] = "local = 1", ["b_spec.lua"] = PASSING .. 'error "late"' }
    expect(table.concat(lines, "\n")):matches "a_spec%.lua:1: <name> expected near '='"
    expect(lines[#lines]):equals "1 passed, 2 failed"
  end)

  it("runs only what the filter names", function()
    local lines = run({ ["a_spec.lua"] = FAILING, ["b_spec.lua"] = PASSING }, "--filter 'one p'")
    expect(lines[#lines]):equals "1 passed, 0 failed"
  end)

  it("prints objects when asked to", function()
    local lines = run({ ["a_spec.lua"] = FAILING, ["b_spec.lua"] = PASSING }, "--json")
    expect(#lines):equals(4)
    expect(lines[1]):matches '^{"file":"%./a_spec.lua","name":"sums: are wrong","ok":false,'
    expect(lines[3]):equals '{"file":"./b_spec.lua","name":"one passes","ok":true}'
    expect(lines[4]):equals '{"passed":1,"failed":2}'
  end)

  it("says when there is nothing to run", function()
    local lines, status = run { ["a.lua"] = "" }
    expect(lines[1]):matches "no spec here"
    expect(status):differs_from(0)
    lines = run({}, "missing")
    expect(lines[1]):matches "missing: No such file"
  end)

  it("gives each spec a Lua state of its own", function()
    local lines = run {
      ["a_spec.lua"] = PASSING .. "leak = 1",
      ["b_spec.lua"] = PASSING .. "assert(leak == nil)",
    }
    expect(lines[#lines]):equals "2 passed, 0 failed"
  end)

  it("lets no world outlive its test", function()
    local lines = run { ["a_spec.lua"] = 'require "haggle.test".world()' }
    expect(table.concat(lines, "\n")):matches "a world lives in one test"
  end)
end)
