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
    expect(lines):equals {
      "seed 1",
      test.like "^ok +%./a_spec%.lua +1 passed, 0 failed, %d",
      test.like "^ok +%./b_spec%.lua +1 passed, 0 failed, %d",
      "2 passed, 0 failed",
    }
    expect(status):equals(0)
  end)

  it("shows what failed, where, with which seed and what was logged", function()
    local lines, status = run({ ["a_spec.lua"] = FAILING }, "--seed 7")
    local text = table.concat(lines, "\n")
    expect(text):contains "seed 7\n  FAILED  sums: are wrong\n    ./a_spec.lua:5\n"
    expect(text):contains
      "\n    again:  haggle test --seed 7 --filter 'sums: are wrong' ./a_spec.lua\n"
    expect(text):matches "value%.total: expected 3, got 2"
    expect(text):matches "a_spec%.lua:11: stop here"
    expect(text):contains "    logged:\n      loud: look out"
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
    expect(lines[4]):equals '{"passed":1,"failed":2,"pending":0,"seed":1}'
  end)

  it("says when there is nothing to run", function()
    local lines, status = run { ["a.lua"] = "" }
    expect(lines[1]):matches "no spec here"
    expect(status):differs_from(0)
    lines = run({}, "missing")
    expect(lines[1]):matches "missing: No such file"
  end)

  it("does not pass without a test", function()
    local lines, status = run({ ["a_spec.lua"] = PASSING }, "--filter mispelt")
    expect(lines[#lines]):equals "haggle test: no test here has a name with 'mispelt'"
    expect(status):equals(1)
    lines, status = run { ["a_spec.lua"] = 'local test = require "haggle.test"' }
    expect(lines[#lines]):equals "haggle test: there is no test in these specs"
    expect(status):equals(1)
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

  it("can be repeated as it says", function()
    local odd = [[
      local test = require "haggle.test"
      test.it("it's $HOME", function() test.expect(1):equals(2) end)
      test.it("another", function() end)]]
    local lines = run({ ["a spec_spec.lua"] = odd }, "--seed 3 --keep-lua")
    local again = lines[5]:match "again:  haggle test (.*)$"
    expect(again):equals [[--seed 3 --keep-lua --filter 'it'\''s $HOME' './a spec_spec.lua']]
    lines = run({ ["a spec_spec.lua"] = odd }, again)
    expect(lines[#lines]):equals "0 passed, 1 failed"
  end)

  it("tells what is pending", function()
    local lines, status = run { ["a_spec.lua"] = [[
      local test = require "haggle.test"
      test.it("to be written")
      test.pending("cannot pass yet", function() error "never called" end)
      test.pending("waits", "for rain")
      test.it("gives up", function() test.pending "halfway" error "not reached" end)]] }
    expect(lines):equals {
      "seed 1",
      "  pending  to be written",
      "  pending  cannot pass yet",
      "  pending  waits  (for rain)",
      "  pending  gives up  (halfway)",
      test.like "^ok +./a_spec.lua  0 passed, 0 failed, 4 pending, ",
      "0 passed, 0 failed, 4 pending",
    }
    expect(status):equals(0)
  end)

  it("cleans up behind a test that fails, and fails when that does", function()
    local text = table.concat(run { ["a_spec.lua"] = [[
      local test = require "haggle.test"
      test.after_each(function() print "cleaned" error "after" end)
      test.it("passes", function() end)
      test.it("fails", function() error "within" end)]] }, "\n")
    expect(text):matches "cleaned.*FAILED  passes.*after.*cleaned.*FAILED  fails.*within"
    expect(text):matches "0 passed, 2 failed$"
  end)

  it("draws a seed when asked to", function()
    local lines = run({ ["a_spec.lua"] = PASSING }, "--seed random")
    expect(lines[1]):matches "^seed %d+$"
    lines = run({ ["a_spec.lua"] = PASSING }, "--seed -1")
    expect(lines[1]):contains "a whole number, 0 or more, or 'random'"
  end)
end)

describe("a test that does not end", function()
  local function ends(body)
    local lines, status = run({ ["a_spec.lua"] = ([[
      local test = require "haggle.test"
      test.it("is endless", function() %s end)
      test.it("comes after it", function() end)]]):format(body) }, "--limit 500ms")
    expect(lines[#lines]):equals "1 passed, 1 failed"
    expect(status):equals(1)
    return table.concat(lines, "\n")
  end

  it("is interrupted in a loop", function()
    local text = ends "while true do end"
    expect(text):contains "FAILED  is endless\n    ./a_spec.lua:2\n"
    expect(text):contains "taken longer than 0.5 s: does it end? (--limit gives it more)"
  end)

  it("is interrupted whatever it catches", function()
    ends "while true do pcall(function() while true do end end) end"
    ends "while true do coroutine.wrap(function() while true do end end)() end"
  end)

  it("ends the run when nothing interrupts it", function()
    local lines, status = run({ ["a_spec.lua"] = [[
      local test = require "haggle.test"
      test.it("passes", function() end)
      test.it("is endless", function() xpcall(error, function() while true do end end) end)]] },
      "--json --limit 500ms")
    expect(lines[1]):contains '"name":"passes","ok":true'
    expect(lines[2]):contains "does not end and cannot be interrupted"
    expect(status):equals(1)
  end)

  it("is interrupted within its world", function()
    local text = ends [[
      local world = test.world()
      world:agent { name = "x", source = 'agent.every("beat", "10ms", function() end)' }
      world:advance "365d"]]
    expect(text):matches("the test has taken longer than 0.5 s; [%d.e+]+ s of the 3.15e%+07 s of"
      .. " its world had passed: let less time pass, or give the tests more with %-%-limit")
  end)

  it("is interrupted when the file itself is endless", function()
    local lines = run({ ["a_spec.lua"] = "while true do end" }, "--limit 500ms")
    expect(table.concat(lines, "\n")):contains "FAILED  the file"
    expect(lines[#lines]):equals "0 passed, 1 failed"
  end)

  it("is one whose agents never rest", function()
    local lines = run({ ["a_spec.lua"] = [[
      local test = require "haggle.test"
      test.it("rests", function()
        local world = test.world()
        world:agent { name = "x", source = 'agent.on_start(function() agent.continue "t" end)'
          .. 'agent.on_timer("t", function() agent.continue "t" end)' }
        world:run()
      end)]] }, "--limit 1s")
    expect(table.concat(lines, "\n")):contains
      "most of it at one moment of its world: do its agents ever rest?"
  end)
end)

describe("TAP", function()
  it("is version 14, with diagnostics", function()
    local lines, status = run({ ["a_spec.lua"] = FAILING, ["b_spec.lua"] = [[
      local test = require "haggle.test"
      test.it("has a # and a \\ in it", function() end)
      test.it("to be written")]] }, "--tap")
    expect(lines):equals {
      "TAP version 14", "# seed 1",
      "not ok 1 - ./a_spec.lua: sums: are wrong",
      "  ---",
      "  message: |2", "    value.total: expected 3, got 2",
      "  file: |2", "    ./a_spec.lua",
      "  line: 5",
      "  again: |2",
      "    haggle test --seed 1 --filter 'sums: are wrong' ./a_spec.lua",
      "  ...",
      "not ok 2 - ./a_spec.lua: sums: warn",
      "  ---",
      "  message: |2", "    ./a_spec.lua:11: stop here",
      "  file: |2", "    ./a_spec.lua",
      "  line: 11",
      "  logged: |2", "    loud: look out",
      "  again: |2", "    haggle test --seed 1 --filter 'sums: warn' ./a_spec.lua",
      "  ...",
      "ok 3 - ./b_spec.lua: has a \\# and a \\\\ in it",
      "ok 4 - ./b_spec.lua: to be written # SKIP pending",
      "1..4",
    }
    expect(status):equals(1)
    expect(run({}, "--tap --json")[1]):contains "one of --tap and --json"
  end)
end)

describe("JUnit XML", function()
  it("holds every test, and nothing that XML does not", function()
    local lines = run({ ["a_spec.lua"] = [[
      local test = require "haggle.test"
      test.it("fails & <so> on", function() error("a \"b\"\nsecond\27[31m\xff \u{FFFE} ä") end)
      test.it("waits", nil)]], ["b_spec.lua"] = PASSING }, "--junit out.xml; cat out.xml")
    local text = table.concat(lines, "\n"):match "%d+ passed, %d+ failed, 1 pending\n(<.*)$"
    local function shape(xml)
      return (xml:gsub('time="[%d.]+"', 'time=""'))
    end
    expect(shape(text)):equals([[
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="haggle test" tests="3" failures="1" errors="0" skipped="1" time="">
  <testsuite name="./a_spec.lua" tests="2" failures="1" errors="0" skipped="1" time="">
    <testcase classname="./a_spec.lua" name="fails &amp; &lt;so&gt; on" file="./a_spec.lua"]]
      .. [[ line="2" time="">
      <failure message="./a_spec.lua:2: a &quot;b&quot;">./a_spec.lua:2: a &quot;b&quot;&#10;]]
      .. [[second\x1b[31m\xff \xef\xbf\xbe ä</failure>
    </testcase>
    <testcase classname="./a_spec.lua" name="waits" file="./a_spec.lua" time="">
      <skipped message="pending"/>
    </testcase>
  </testsuite>
  <testsuite name="./b_spec.lua" tests="1" failures="0" errors="0" skipped="0" time="">
    <testcase classname="./b_spec.lua" name="one passes" file="./b_spec.lua" time=""/>
  </testsuite>
</testsuites>]])
  end)

  it("says when it cannot be written", function()
    local lines, status = run({ ["a_spec.lua"] = PASSING }, "--junit missing/out.xml")
    expect(lines[#lines]):contains "missing/out.xml"
    expect(status):differs_from(0)
  end)
end)

describe("a world", function()
  it("says which options it does not know, and which agents are there", function()
    local text = table.concat(run { ["a_spec.lua"] = [[
      local test = require "haggle.test"
      test.it("one", function() test.world { sed = 1 } end)
      test.it("two", function() test.world():agent { name = "x", scirpt = "y" } end)
      test.it("three", function()
        local world = test.world()
        world:agent { name = "x", source = "" }
        world:agent { name = "x", source = "" }
      end)
      test.it("four", function() test.world():agent { name = "x", script = "gone.lua" } end)]] },
      "\n")
    expect(text):contains "test.world has no option 'sed'"
    expect(text):contains "world:agent has no option 'scirpt'"
    expect(text):contains "this world has an agent 'x' already, on the host 'home'"
    expect(text):contains "a_spec.lua:9"
    expect(text):contains "gone.lua: No such file"
  end)
end)
