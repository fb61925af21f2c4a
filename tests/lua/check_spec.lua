-- `haggle check`: what it finds, where, and that it finds nothing where nothing is wrong.
local test = require "haggle.test"
local advice = require "haggle.tool.advice"
local describe, it, expect = test.describe, test.it, test.expect

local TREE = test.folder .. "/../.."

local function list(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  local _, _, status = pipe:close()
  return lines, status
end

local program = list("readlink /proc/$PPID/exe")[1]

-- Runs `haggle check ARGUMENTS` in a folder with these files: its lines, and its exit status.
local function check(files, arguments)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  for name, text in pairs(files) do
    local inner = name:match "^(.*)/"
    if inner then assert(os.execute(("mkdir -p %s/%s"):format(folder, inner))) end
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end
  local lines, status = list(("cd %s && NO_COLOR=1 timeout 100 %s check %s 2>&1"):format(folder,
    program, arguments))
  os.execute("rm -r " .. folder)
  return lines, status
end

-- "LINE:COLUMN severity code" of each finding in a script, and its message and advice by code.
local function findings(source, arguments)
  local lines, status = check({ ["a.lua"] = source }, "a.lua " .. (arguments or ""))
  local places, texts = {}, {}
  expect(lines[#lines]):matches "^1 file: "
  for i, line in ipairs(lines) do
    local place, severity, message, code = line:match "^a%.lua:(%d+:%d+): (%l+) (.*) %[([%l-]+)%]$"
    if place then
      places[#places + 1] = ("%s %s %s"):format(place, severity, code)
      texts[code] = message .. "\n" .. (lines[i + 1]:match "^    (.*)$" or "")
    end
  end
  return places, texts, status
end

-- One script for each thing that is found; the findings, and what the last one says.
local CASES = {
  { "local x = = 1", { "1:11 error syntax" }, "unexpected symbol near '='" },
  { "local x\nx = 'a\n", { "2:5 error syntax" }, "unfinished string" },
  { "\27Lua", { "1:1 error syntax" }, "source text" },
  { "goto nowhere", { "1:1 error syntax" }, "no visible label" },
  { "-- \0\n", { "1:4 warning encoding" }, "NUL" },
  { "-- ab\xff\n", { "1:6 warning encoding" }, "UTF%-8" },
  { "agent.on_start(function() stat.x = 1 end)", { "1:27 error unknown-global" },
    "did you mean 'state'" },
  { "agent.on_start(function() print(haggle.now()) end)", { "1:33 error unknown-global" },
    'local haggle = require "haggle"' },
  { "local t = agent.config.x and io.open 'x'", { "1:30 error not-in-sandbox" }, "host.read" },
  { "agent.on_start(function() os.execute 'ls' end)", { "1:30 error not-in-sandbox" },
    "starts no programs" },
  { "agent.on_start(function() rawset({}, 1, 2) end)", { "1:27 error not-in-sandbox" }, "rawset" },
  { "agent.on_start(function() agent.snd() end)", { "1:33 error unknown-field" },
    "did you mean 'send'" },
  { "local s = agent.ask_al", { "1:17 error unknown-field" }, "did you mean 'ask_all'" },
  { "local h = require 'haggle'\nagent.on_start(function() return h.nwo() end)",
    { "2:36 error unknown-field" }, "did you mean 'now'" },
  { "local market = require 'haggle.market'\nagent.on_start(function() market.sel {} end)",
    { "2:34 error unknown-field" }, "did you mean 'sell'" },
  { "agent.on('a/1.0/b', function(m) m:replay('c') end)",
    { "1:10 note undeclared", "1:35 error unknown-field" }, "did you mean 'reply'" },
  { "agent.on_start(function() return ('x'):foo() end)", { "1:40 error unknown-field" }, "foo" },
  { "helper = 1", { "1:1 warning global" }, "local" },
  { "agent.on_start(function() helper = 1 end)", { "1:27 error script-variable" },
    "state.helper" },
  { "agent.on_start(function() state = {} end)", { "1:27 error constant" }, "replaced" },
  { "agent.on_start(function() math.pi = 3 end)", { "1:32 error constant" }, "constant" },
  { "local n = 0\nagent.on_start(function() n = n + 1 end)", { "2:27 error script-variable" },
    "state.n" },
  { "local n = 0\nlocal function add() n = n + 1 end\nagent.on_start(function() add() end)",
    { "2:22 error script-variable" }, "state.n" },
  { "local n = 0\nlocal function add() n = n + 1 end\nadd()", {} },
  { "agent.on_start(function() local n = 0\nlocal function add() n = n + 1 end add() end)", {} },
  { "local seen = {}\nagent.on_start(function() seen.x = 1 end)", { "2:27 error script-variable" },
    "state.seen" },
  { "local seen = {}\nagent.on_start(function() table.insert(seen, 1) end)",
    { "2:27 error script-variable" }, "state.seen" },
  { "agent.send('x', 'a/1.0/b')", { "1:1 error top-level" }, "act in a handler" },
  { "if agent.config.x then agent.sleep '1s' end", { "1:24 error top-level" }, "top level" },
  { "agent.on_start(function() agent.on_stop(function() end) end)",
    { "1:27 error declared-late" }, "move it out" },
  { "agent.on_start(function() require 'haggle' end)", { "1:27 error declared-late" },
    "beginning of the script" },
  { "local function later() return require 'haggle.market' end\nlocal f = later",
    { "1:31 warning declared-late" }, "in a function" },
  { "local function now() return require 'haggle.market' end\nlocal m = now()", {} },
  { "local b = require 'beside'", { "1:19 error module" }, "beside.lua" },
  { "local b = require 'haggle.markt'", { "1:19 error module" }, "did you mean 'haggle.market'" },
  { "local b = require 'haggle.tool.check'", { "1:19 error module" }, "not for agents" },
  { "error 'no'", { "1:1 error raises" }, "no" },
  { "for i = 1, 3 do\n  agent.on_timer('x', print)\nend", { "2:3 error raises" },
    "'x' has a handler already" },
  { "agent.every('x', { cron = '0 25 * * *' }, print)", { "1:1 error raises" }, "'25' is no hour" },
  { "agent.every('x', { cron = '0 0 30 2 *' }, print)", { "1:1 error raises" }, "never" },
  { "agent.every('x', { cron = '@daily', zone = 'Europe/Vena' }, print)",
    { "1:1 error raises" }, "Europe/Vena" },
  { "agent.every('x', { cron = '@daily', zone = 'Europe/Vienna' }, print)", {} },
  { "while true do end", { "1:1 error raises" }, "the time limit" },
  { "local t = {}\nwhile true do t[#t + 1] = ('x'):rep(1e5) .. #t end", { "1:1 error raises" },
    "the memory limit" },
  { "agent.on_start(function() agent.ask('x', 'a/1.0/b', {}, { withn = '5s' }) end)",
    { "1:59 error unknown-option" }, "did you mean 'within'" },
  { "agent.describe { nam = 'x' }", { "1:18 error unknown-option" }, "did you mean 'name'" },
  { "agent.on_start(function() agent.ask('x', 'a/1.0/b', {}, { within = '5 sec' }) end)",
    { "1:68 error duration" }, "'5 sec' is not a duration" },
  { "local WAIT = '1x'\nagent.on_start(function() agent.sleep(WAIT) end)",
    { "2:39 error duration" }, "'1x' is not a duration" },
  { "agent.every('x', '5', print)", { "1:18 error duration" }, "not a duration" },
  { "agent.on_start(function() agent.send('x', 'a/1') end)", { "1:43 error message-type" },
    "protocol/version/performative" },
  { "agent.on_start(function() agent.after('x', '5s') end)", { "1:39 error timer" },
    'agent.on_timer%("x"' },
  { "agent.on_timer('close', print)\nagent.on_start(function() agent.cancel 'clsoe' end)",
    { "2:40 warning timer" }, "did you mean 'close'" },
  { "agent.on('a/1.0/b', function() end)", { "1:10 note undeclared" }, "bodies" },
  { "agent.offer { service = 'x', protocol = 'a/1.0' }", { "1:41 warning undeclared" },
    "neither declared nor handled" },
  { "agent.on_start(function() table.sort({ 1, 2 }, function(a, b)\nagent.sleep '1s' return a < b "
    .. "end) end)", { "2:1 error cannot-wait" }, "table.sort" },
  { "local function f() agent.sleep '1s' end\n"
    .. "agent.on_start(function() (''):gsub('.', function() f() end) end)",
    { "1:20 error cannot-wait" }, "gsub" },
  { "return { agents = {} }", { "1:8 note host-file" }, "%-%-config a.lua" },
  { "agent.on_start(function() host.read '/x' end)", { "1:37 note needs" }, "%-%-allow a:read=/x" },
}

local PROTOCOL = [[
agent.protocol { name = "deal", version = "1.0", messages = {
  open = { body = { price = "integer", note = "string?" }, replies = { "take", "leave" } },
  take = { replies = { "pay" } },
  leave = {},
  pay = {},
} }
]]

-- The same behind the protocol above, whose lines do not count.
local DIALOGUES = {
  { "agent.on('deal/1.0/open', function(m) m:reply('take') end)\nagent.on('deal/1.0/pay', print)\n"
    .. "agent.on_start(function() agent.ask('x', 'deal/1.0/open', { price = 1 }) end)",
    { "6:0 note unused" } },
  { "agent.on('deal/1.0/opn', print)", { "7:10 error performative" }, "did you mean 'open'" },
  { "agent.on('deal/1.0/open', function(m) m:reply('tak') end)",
    { "7:47 error performative" }, "did you mean 'take'" },
  { "agent.on('deal/1.0/open', function(m) m:reply('pay') end)",
    { "7:47 error reply" }, "permitted: leave, take" },
  { "agent.on('deal/1.0/open', function(m) agent.reply(m, 'pay') end)",
    { "7:54 error reply" }, "permitted: leave, take" },
  { "agent.on('deal/1.0/open', function(m) agent.sleep '1s' m:reply('pay') end)", {} },
  { "local function f(m) m:reply('take') end\nagent.on('deal/1.0/open', f)",
    { "7:29 warning unhandled" }, "deal/1.0/pay" },
  { "agent.on_start(function() agent.send('x', 'deal/1.0/pay') end)",
    { "7:43 error opening" }, "what can: open" },
  { "agent.on_start(function() agent.ask_all({ { 'x', 'deal/1.0/opn', {} } }) end)",
    { "7:50 error performative" }, "did you mean 'open'" },
  { "agent.on_start(function() agent.ask('x', 'deal/1.0/open', { prise = 1, price = 2 }) end)",
    { "7:61 error body" }, "did you mean 'price'" },
  { "agent.on_start(function() agent.ask('x', 'deal/1.0/open', {}) end)",
    { "7:59 error body" }, "needs the field 'price'" },
  { "agent.on_start(function() agent.ask('x', 'deal/1.0/open', { price = 'x' }) end)",
    { "7:69 error body" }, "declared as integer" },
  { "agent.on('deal/1.0/open', function(m) return m.body.prise end)",
    { "7:53 warning body" }, "did you mean 'price'" },
  { "for _, kind in ipairs { 'open' } do agent.on('deal/1.0/' .. kind, function(m)\n"
    .. "m:reply('nonsense') end) end", {} },
}

local codes = {}

describe("haggle check", function()
  for i, case in ipairs(CASES) do
    it(("finds %d: %s"):format(i, case[1]:gsub("[%c\xff]", " "):sub(1, 60)), function()
      local places, texts = findings(case[1])
      expect(places):equals(case[2])
      local last = case[2][#case[2]]
      if last then
        local code = last:match "[%l-]+$"
        codes[code] = true
        if case[3] then expect(texts[code]):matches(case[3]) end
      end
    end)
  end

  for i, case in ipairs(DIALOGUES) do
    it(("finds in a dialogue %d: %s"):format(i, case[1]:sub(1, 60)), function()
      local all, texts = findings(PROTOCOL .. case[1])
      local places = {}
      for _, place in ipairs(all) do
        if not place:find "note unused$" then places[#places + 1] = place end
        codes[place:match "[%l-]+$"] = true
      end
      local wanted = {}
      for _, place in ipairs(case[2]) do
        if not place:find "note unused$" then wanted[#wanted + 1] = place end
      end
      expect(places):equals(wanted)
      if case[3] then expect(texts[case[2][1]:match "[%l-]+$"]):matches(case[3]) end
    end)
  end

  it("tells what is declared and never used", function()
    local places = findings(PROTOCOL
      .. "agent.on('deal/1.0/open', function(m) m:reply('leave') end)")
    expect(places):equals { "3:3 note unused", "5:3 note unused" }
  end)

  it("says what is not granted, and where it could be", function()
    local source = "agent.on_start(function() host.read '/etc/x' host.read '/proc/y' end)"
    local places, texts, status = findings(source, "--allow 'read=/proc/*'")
    expect(places):equals { "1:37 error grant" }
    expect(texts.grant):matches "add %-%-allow a:read=/etc/x"
    expect(status):equals(1)
    places = findings(source, "--allow a:read=/etc/x --allow 'a:read=/proc/*'")
    expect(places):equals {}
    codes.grant = true
  end)

  it("knows what grants of each kind cover", function()
    local source = [[
      local haggle, http = require "haggle", require "haggle.http"
      agent.on_start(function()
        host.write("/srv/out/a.txt", "x")
        http.get("https://api.example.org/x", { headers = { A = haggle.secret "weather" } })
        http.request { url = "http://[2001:db8::7]:8080/" }
      end)]]
    expect(#findings(source)):equals(4) -- notes of what is needed
    local places, texts = findings(source, "--allow read=/x")
    expect(places):equals { "3:20 error grant", "4:18 error grant", "4:79 error grant",
      "5:30 error grant" }
    expect(texts.grant):matches "add %-%-allow a:net=%[2001:db8::7%]:8080"
    expect((findings(source, "--allow 'write=/srv/out/*' --allow secret=weather "
      .. "--allow 'net=*.example.org:443' --allow 'net=[2001:db8::/32]:*'"))):equals {}
    expect((findings(source, "--allow secret=weather@api.example.org:443"))).never:contains
      "4:79 error grant"
  end)

  it("knows which models an agent asks", function()
    local source = 'agent.on_start(function() agent.infer("risk", { x = { 1 } }) end)'
    local places, texts = findings(source, "--allow infer=other")
    expect(places):equals { "1:39 error grant" }
    expect(texts.grant):matches "add %-%-allow a:infer=risk"
    expect((findings(source, "--allow infer=risk"))):equals {}
    expect((findings(source, "--allow 'infer=*'"))):equals {}
    source = [[
      local llm = require "haggle.llm"
      agent.on_start(function()
        llm.decide { model = "small", prompt = "Q", choices = { "a", "b" } }
        llm.embed { model = "small", input = "x" }
      end)]]
    places, texts = findings(source, "--allow infer=other")
    expect(#places):equals(2)
    expect(texts.grant):matches "add %-%-allow a:infer=small"
    expect((findings(source, "--allow infer=small"))):equals {}
  end)

  it("knows which models policies and strategies decide with, which they can do without", function()
    local source = [[
      local policy, market = require "haggle.policy", require "haggle.market"
      local decide = policy.new { model = "risk", features = function() return { 1 } end,
        actions = { "a" }, fallback = function() return "a" end }
      agent.on_start(function() decide(1) end)
      local function done() end
      market.sell { service = "tea", asking = 9, strategy = "model", deliver = done }
      market.buy { service = "ice", ceiling = 9, strategy = { delay = 0.1 }, on_result = done }
      market.buy { service = "milk", ceiling = 9, strategy = { model = "mine" }, on_result = done }
      market.buy { service = "rice", ceiling = 9, strategy = "firm", on_result = done }]]
    local places, texts = findings(source)
    expect(places):equals { "2:43 note needs", "6:61 note needs", "7:61 note needs",
      "8:72 note needs" }
    expect(texts.needs):matches 'model = "mine" needs the grant infer=mine'
    local status
    places, texts, status = findings(source, "--allow infer=market")
    expect(places):equals { "2:43 warning grant", "8:72 warning grant" }
    expect(texts.grant):matches "add %-%-allow a:infer=mine"
    expect(status):equals(0)
    expect((findings(source, "--allow 'infer=*'"))):equals {}
  end)

  it("lets a script ask what it is granted, as a host would", function()
    local source = "if agent.granted('read', '/x') then agent.on_timer('t', print) end\n"
      .. "agent.on_start(function() agent.after('t', '1s') end)"
    expect((findings(source))):equals { "1:4 note needs" }
    expect((findings(source, "--allow read=/y"))):equals { "2:39 error timer" }
  end)

  it("takes mistakes in options for such", function()
    local lines, status = check({ ["a.lua"] = "" }, "a.lua --allow reed=/x")
    expect(lines[1]):matches "did you mean read"
    expect(status):equals(1)
    lines, status = check({ ["a.lua"] = "" }, "a.lua --allow b:read=/x")
    expect(lines[1]):matches "no script here is named so"
    expect(status):equals(1)
    lines, status = check({}, "")
    expect(lines[1]):matches "name a script"
    expect(status):equals(2)
    lines, status = check({}, "missing.lua")
    expect(lines[1]):equals "missing.lua:1:1: error missing.lua does not exist [unreadable]"
    expect(status):equals(1)
    codes.unreadable = true
  end)

  it("counts warnings as errors with --strict, and notes never", function()
    local function status_of(...) return (select(3, findings(...))) end
    expect(status_of "helper = 1"):equals(0)
    expect(status_of("helper = 1", "--strict")):equals(1)
    expect(status_of("agent.on('a/1.0/b', print)", "--strict")):equals(0)
  end)

  it("prints objects when asked to", function()
    local lines = check({ ["a.lua"] = "helper = 1" }, "--json a.lua")
    expect(lines[1]):equals('{"severity":"warning","line":1,"column":1,"file":"a.lua",'
      .. '"code":"global","message":"\'helper\' becomes a global of the script and its modules",'
      .. '"advice":"declare it with local"}')
    expect(lines[2]):equals '{"files":1,"errors":0,"warnings":1,"notes":0}'
  end)

  it("goes through modules, and knows what runs there as a handler", function()
    local lines = check({
      ["agent.lua"] = "local m = require 'm'\n"
        .. "agent.on_start(function() m.write() end)\nm.declare()",
      ["m.lua"] = "local m, n = {}, 0\nfunction m.write() n = n + 1 end\n"
        .. "function m.declare() n = n + 1 agent.on_timer('x', print) end\nreturn m",
      ["agent_spec.lua"] = "local test = require 'haggle.test'\nio.write(nonsense)",
      ["other.lua"] = "local m = require 'm'\nstat = m",
      ["broken.lua"] = "x x",
    }, ".")
    local places = {}
    for _, line in ipairs(lines) do
      places[#places + 1] = line:match "^(%S+: %l+) .*%[.*$"
    end
    expect(places):equals { "agent_spec.lua:2:10: error", "broken.lua:1:3: error",
      "m.lua:2:20: error", "other.lua:2:1: warning" }
    expect(lines[#lines]):matches "^5 files: 3 errors, 1 warning, 0 notes$"
  end)

  it("finds a mistake in a module where it is", function()
    local script = "local m = require 'in.m'"
    local lines = check({ ["a.lua"] = script, ["in/m.lua"] = "\n\nlocal x = = 1" }, "a.lua")
    expect(lines[1]):matches "^in/m%.lua:3:11: error .*%[syntax%]$"
    lines = check({ ["a.lua"] = script, ["in/m.lua"] = "\nerror 'no'" }, "a.lua")
    expect(lines[1]):matches "^in/m%.lua:2:1: error no"
  end)

  it("takes the agents of a host file with their grants, limits and config", function()
    local lines, status = check({
      ["host.lua"] = [[return { agents = {
        { name = "reader", script = "r.lua", allow = { "read=/x" }, config = { path = "/x" } },
        { name = "other", script = "r.lua", count = 3 },
        { name = "small", script = "s.lua", limits = { memory = "1MB" } },
      } }]],
      ["r.lua"] = "if agent.config.path then agent.on_timer('x', print) end\n"
        .. "agent.on_start(function() host.read '/x' end)",
      ["s.lua"] = "local s = ('x'):rep(2000000)",
    }, "--config host.lua")
    expect(status):equals(1)
    local text = table.concat(lines, "\n")
    expect(text):matches "r%.lua:2:37: error other is not granted read=/x %[grant%]"
    expect(text):matches "s%.lua:1:1: error .*memory limit"
    expect(lines[#lines]):equals "2 files: 2 errors, 0 warnings, 0 notes"
    lines, status = check({ ["host.lua"] = "return { agents = { { nam = 1 } } }" },
      "--config host.lua")
    expect(status):equals(1)
    expect(lines[1]):matches "agents: %[1%]"
  end)

  it("ends on what is made to hang or to exhaust it", function()
    local deep = ("("):rep(10000) .. "1" .. (")"):rep(10000)
    for name, source in pairs {
      ["deep parentheses"] = "local x = " .. deep,
      ["deep tables"] = "local x = " .. ("{"):rep(10000) .. ("}"):rep(10000),
      ["deep blocks"] = ("do "):rep(10000) .. ("end "):rep(10000),
      ["deep functions"] = "return " .. ("function() return "):rep(10000) .. ("end "):rep(10000),
      ["an open end"] = ("if true then "):rep(100),
    } do
      local places, _, status = findings(source)
      expect { name, #places, status }:equals { name, 1, 1 }
      expect(places[1]):matches "error syntax"
    end
    for name, source in pairs {
      ["a long sum"] = "local x = 1" .. ("+1"):rep(100000),
      ["long"] = ("local function f(a) return { a, 1, x = 'y' } end\n"):rep(150),
      ["many lines"] = ("-- nothing\n"):rep(90000),
    } do
      local places, _, status = findings(source)
      expect { name, places, status }:equals { name, {}, 0 }
    end
    local places = findings(("-- nothing\n"):rep(100000))
    expect(places):equals { "1:1 error raises" } -- more than a host takes
    places = findings(("print(zz)\n"):rep(1000))
    expect(#places):equals(200)
    expect(places[200]):matches "error many"
    codes.many = true
  end)

  it("finds no error in the agents, modules and examples of the tree", function()
    for _, line in ipairs((list(("cd %s && %s check agents/* stdlib/haggle/*.lua"):format(TREE,
      program)))) do
      if not line:find "^stdlib/haggle/test" then
        expect { line, line:find ": error " or line:find ": warning " }:equals { line }
      end
    end
  end)

  it("finds no error in the host files of the tree", function()
    local hosts = list(("cd %s && grep -l 'agents = {' $(find agents -name '*.lua')"):format(TREE))
    for _, path in ipairs(hosts) do
      local lines, status = list(("cd %s && %s check --strict --config %s"):format(TREE, program,
        path))
      expect { path, status, lines }:equals { path, 0, lines }
    end
    expect(#hosts >= 2):is_true()
  end)

  it("finds no error in the examples of stdlib/README.md and the pages of modules", function()
    local count, files = 0, {}
    local pages = list(("cd %s/stdlib && ls $PWD/README.md $PWD/haggle/*.md"):format(TREE))
    for _, path in ipairs(pages) do
      local file = assert(io.open(path, "rb"))
      for block in file:read("a"):gmatch "```lua\n(%-%- example: .-)```" do
        count = count + 1
        files["example" .. count .. ".lua"] = block
      end
      file:close()
    end
    local lines = check(files, "*.lua")
    for _, line in ipairs(lines) do
      expect { line, line:find ": error " or line:find ": warning " }:equals { line }
    end
    expect(count >= 20):is_true()
    expect(lines[#lines]):matches("^" .. count .. " files: 0 errors")
  end)

  it("ends with every hostile agent of the tests", function()
    local lines, status = list(("cd %s/tests/hostile && ls *.lua | grep -v loop"):format(TREE))
    expect(status):equals(0)
    expect(#lines > 50):is_true()
    lines, status = list(("cd %s/tests/hostile && timeout 500 %s check $(ls *.lua) 2>&1"):format(
      TREE, program))
    expect(status):equals(1)
    expect(lines[#lines]):matches "^%d+ files: %d+ errors, %d+ warnings?, %d+ notes$"
    for _, line in ipairs(lines) do
      expect { line, line:find "could not be analysed" or line:find "traceback" }:equals { line }
    end
  end)

  it("knows where the sandbox lets nothing wait, and where it does", function()
    local wait = "agent.sleep '1ms'"
    for name, code in pairs {
      sort = "table.sort({ 1, 2 }, function() %s return false end)",
      gsub = "string.gsub('x', '.', function() %s end)",
      method = "local x = ('x'):gsub('.', function() %s end)",
      tostring = "tostring(setmetatable({}, { __tostring = function() %s return '' end }))",
      pairs = "local x = setmetatable({}, { __pairs = function() %s return next, {} end }) "
        .. "for _ in pairs(x) do end",
      iterator = "for _ in function() %s end do end",
      index = "local x = setmetatable({}, { __index = function() %s end }).x",
      close = "local x <close> = setmetatable({}, { __close = function() %s end })",
      pcall = "assert(pcall(function() %s end))",
      wrap = "coroutine.wrap(function() %s end)()",
    } do
      local script = ("agent.on('a/1.0/b', function(m) %s m:reply('c') end)"):format(
        code:format(wait))
      local world = test.world()
      world:agent { name = "a", source = script }
      world:send("a", "a/1.0/b", {})
      world:advance "1m"
      local dead = world:dead "a"
      local refused = dead[1] ~= nil and dead[1].why:find "cannot wait" ~= nil
      local places = findings(script)
      local found = places[2] ~= nil and places[2]:find "error cannot%-wait$" ~= nil
      expect { name, refused, found }:equals { name, refused, refused }
      expect { name, #dead }:equals { name, refused and 1 or 0 }
    end
  end)

  it("gives advice only for what the sandbox lacks", function()
    local world = test.world()
    local names = require "haggle".array {}
    for name in pairs(advice) do names[#names + 1] = name end
    table.sort(names)
    world:agent { name = "looker", source = [[
      agent.on("look/1.0/for", function(message)
        local there = {}
        for _, path in ipairs(message.body.names) do
          local value = _G
          for key in path:gmatch "[^.]+" do value = value and value[key] end
          if value ~= nil then there[path] = true end
        end
        message:reply("there", there)
      end)]] }
    expect(world:ask("looker", "look/1.0/for", { names = names }).body):equals {}
  end)

  it("has each of its codes in stdlib/README.md, and no others are there", function()
    local file = assert(io.open(TREE .. "/stdlib/README.md", "rb"))
    local section = file:read("a"):match "\n## Checking\n(.-)\n## "
    file:close()
    local listed = {}
    for code in section:gmatch "\n| `([%l-]+)` |" do listed[code] = true end
    expect(listed):equals(codes)
  end)
end)
