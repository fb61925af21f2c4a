-- haggle.test: what specs (`haggle test`) are written with. A spec runs in plain Lua 5.4, its
-- agents in worlds: a host on a virtual clock, in memory, without network.
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
local native = require "haggle.world"
local haggle = require "haggle"

local test = {}

-- Results, read by the runner: { name =, ok =, message =, line =, log = }.
test.results = {}

local names, worlds, running = {}, {}, false

-- Showing and comparing values -------------------------------------------------------------------

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function show(value, depth)
  depth = depth or 0
  if type(value) == "string" then return ("%q"):format(value):gsub("\\\n", "\\n") end
  if type(value) ~= "table" then return tostring(value) end
  if depth > 6 then return "{…}" end
  local parts, listed = {}, #value
  for i = 1, listed do parts[i] = show(value[i], depth + 1) end
  for _, key in ipairs(sorted_keys(value)) do
    if not (math.type(key) == "integer" and key >= 1 and key <= listed) then
      local name = type(key) == "string" and key:match "^[%a_][%w_]*$" or "[" .. show(key) .. "]"
      parts[#parts + 1] = name .. " = " .. show(value[key], depth + 1)
    end
  end
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end
test.show = show

-- Appends "place: expected …, got …" for each difference.
local function differences(wanted, got, place, out)
  if wanted == got and math.type(wanted) == math.type(got) then return out end
  if type(wanted) ~= "table" or type(got) ~= "table" then
    out[#out + 1] = ("%s: expected %s, got %s"):format(place, show(wanted), show(got))
    return out
  end
  local keys = {}
  for key in pairs(wanted) do keys[key] = true end
  for key in pairs(got) do keys[key] = true end
  for _, key in ipairs(sorted_keys(keys)) do
    local step = type(key) == "string" and "." .. key or "[" .. show(key) .. "]"
    differences(wanted[key], got[key], place .. step, out)
  end
  return out
end

-- Expectations -----------------------------------------------------------------------------------

local SHOWN_MAX = 10 -- differences of one comparison

local function fail(format, ...)
  error({ failure = format:format(...) }, 0)
end

local expectation = {}
expectation.__index = expectation

function test.expect(value)
  return setmetatable({ value = value }, expectation)
end

function expectation:equals(wanted)
  local found = differences(wanted, self.value, "value", {})
  if #found == 0 then return end
  local shown = table.concat(found, "\n", 1, math.min(#found, SHOWN_MAX))
  fail("%s%s", shown, #found > SHOWN_MAX and "\n…" or "")
end

function expectation:differs_from(other)
  if #differences(other, self.value, "value", {}) == 0 then fail("both are %s", show(other)) end
end

function expectation:exists()
  if self.value == nil then fail("expected a value, got nil") end
end

function expectation:is_nil()
  if self.value ~= nil then fail("expected nil, got %s", show(self.value)) end
end

function expectation:is_true()
  if self.value ~= true then fail("expected true, got %s", show(self.value)) end
end

function expectation:matches(pattern)
  if type(self.value) ~= "string" or not self.value:find(pattern) then
    fail("expected text like %s, got %s", show(pattern), show(self.value))
  end
end

function expectation:is_between(least, most)
  local value = self.value
  if type(value) ~= "number" or value < least or value > most then
    fail("expected %s to %s, got %s", show(least), show(most), show(value))
  end
end

-- Has every field of `wanted`; others do not matter.
function expectation:has(wanted)
  if type(self.value) ~= "table" then fail("expected a table, got %s", show(self.value)) end
  local found = {}
  for _, key in ipairs(sorted_keys(wanted)) do
    differences(wanted[key], self.value[key], "." .. tostring(key), found)
  end
  if #found > 0 then fail("%s", table.concat(found, "\n")) end
end

-- The function raises an error that the pattern is found in.
function expectation:raises(pattern)
  local ok, message = pcall(self.value)
  if ok then fail("expected an error like %s, nothing was raised", show(pattern)) end
  if type(message) == "table" and message.failure then message = message.failure end
  if not tostring(message):find(pattern) then
    fail("expected an error like %s, got %s", show(pattern), show(tostring(message)))
  end
end

-- Running ----------------------------------------------------------------------------------------

-- The innermost line of the spec itself.
local function line_in_spec()
  for level = 3, 200 do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    if info.source == "@" .. test.spec then return info.currentline end
  end
end

local function explain(message)
  local line = line_in_spec()
  if type(message) == "table" and message.failure then
    return { message = message.failure, line = line }
  end
  return { message = tostring(message), line = line }
end

local function noisy_lines()
  local lines = {}
  for _, world in ipairs(worlds) do
    local ok, all = pcall(world.log, world)
    for _, line in ipairs(ok and all or {}) do
      if line.level == "warn" or line.level == "error" then
        lines[#lines + 1] = line.who .. ": " .. line.text
      end
    end
  end
  return table.concat(lines, "\n", math.max(1, #lines - 9))
end

function test.describe(name, fn)
  names[#names + 1] = name
  fn()
  names[#names] = nil
end

function test.it(name, fn)
  names[#names + 1] = name
  local result = { name = table.concat(names, ": ") }
  names[#names] = nil
  if test.filter and not result.name:find(test.filter, 1, true) then return end
  local why
  running = true
  result.ok, why = xpcall(fn, explain)
  running = false
  if not result.ok then
    result.message, result.line, result.log = why.message, why.line, noisy_lines()
  end
  for _, world in ipairs(worlds) do world.native:close() end
  worlds = {}
  test.results[#test.results + 1] = result
end

-- Worlds -----------------------------------------------------------------------------------------

local World, Peer = {}, {}
World.__index, Peer.__index = World, Peer

-- Behind every script that a world runs: tells what the agent holds. Tables travel as lists of keys
-- and values, because a body has no tables with integer keys.
local LOOK = [[

do
  local haggle = require "haggle"
  local function pack(value)
    if value == haggle.null or type(value) ~= "table" and type(value) ~= "userdata" then
      return { value = value }
    end
    local list = haggle.array {}
    if not pcall(function()
      for key, inner in pairs(value) do
        list[#list + 1] = key
        list[#list + 1] = pack(inner)
      end
    end) then return { value = value } end
    return { list = list }
  end
  agent.on("spec/1.0/look", function(message)
    message:reply("seen", { id = agent.id, state = pack(state) })
  end)
end
]]

local function unpack_value(packed)
  if not packed.list then return packed.value end
  local value = {}
  for i = 1, #packed.list, 2 do value[packed.list[i]] = unpack_value(packed.list[i + 1]) end
  return value
end

local function read_file(path)
  local file, why = io.open(path, "rb")
  if not file then error(why, 3) end
  local text = file:read "a"
  file:close()
  return text
end

-- options: seed (the runner's --seed when absent), at (when it begins, as in
-- "2026-03-28T12:00:00Z").
function test.world(options)
  if not running then error("a world lives in one test: make it within test.it", 2) end
  options = options or {}
  local world = setmetatable({ native = native.create(options.seed, options.at) }, World)
  worlds[#worlds + 1] = world
  return world
end

-- name, script (a path from the spec's folder) or source, config, allow ({ "read=/proc/stat" }).
function World:agent(options)
  local path = options.path or options.name .. ".lua"
  if options.script then path = test.folder .. "/" .. options.script end
  local source = options.source or read_file(path)
  self.native:add(options.name, path, source .. LOOK, options.config, options.allow)
  return options.name
end

-- What host.read finds; nil: the file is gone.
function World:file(path, content) self.native:file(path, content) end

-- Lets everything happen that is due now; time stands still.
function World:run() self.native:run() end

-- Lets time pass: "1h", "250ms" or milliseconds.
function World:advance(duration) self.native:advance(duration) end

-- The host dies and comes back on its store.
function World:restart() self.native:restart() end

-- Unix time in ms.
function World:now() return self.native:now() end

-- Records as in `haggle deals`, of all agents or of one.
function World:deals(name)
  local deals = {}
  for _, deal in ipairs(self.native:deals()) do
    if not name or deal.agent == name then deals[#deals + 1] = deal end
  end
  return deals
end

function World:dead() return self.native:dead() end

-- Adverts that match a query as on the command line: "service=weather price<=4".
function World:find(query) return self.native:find(query) end

-- Lines logged so far: { level =, who =, text = }; of one agent, when named.
function World:log(who)
  local lines = {}
  for _, line in ipairs(self.native:log()) do
    if not who or line.who == who then lines[#lines + 1] = line end
  end
  return lines
end

-- The answer of an agent to the operator: a message, or nil, why, code.
function World:ask(name, kind, body)
  local reply, why, code = self.native:ask(name, kind, body)
  if not reply then return nil, why, code end
  if reply.type == "haggle/1.0/refuse" then return nil, reply.body.why, reply.body.code end
  return reply
end

local function look(world, name)
  local reply, why = world:ask(name, "spec/1.0/look")
  if not reply then error(name .. ": " .. why, 3) end
  return reply.body
end

-- A plain copy of an agent's state.
function World:state(name) return unpack_value(look(self, name).state) end

-- An agent's did.
function World:id(name) return look(self, name).id end

-- Peers ------------------------------------------------------------------------------------------

local PEER = [[
for _, definition in ipairs(agent.config.protocols) do
  agent.protocol(definition)
end
for _, offer in ipairs(agent.config.offers) do agent.offer(offer) end

local function hear(message, code)
  if not state.heard then state.heard = {} end
  state.heard[#state.heard + 1] = {
    id = message.id, type = code and "undelivered" or message.type, of = message.type, code = code,
    performative = message.performative, from = message.from, to = message.to,
    thread = message.thread, thid = message.thid, created = message.created, body = message.body,
    ref = message:ref(),
  }
end

for _, kind in ipairs(agent.config.handles) do
  agent.on(kind, function(message) hear(message) end)
end
agent.on_undelivered(function(message, _, code) hear(message, code) end)

local function tell(message, ok, id, why, code)
  if not ok then id, why, code = nil, id, "raised" end
  message:reply("done", { id = id, why = why, code = code })
end

agent.on("spec/1.0/send", function(message)
  local say = message.body
  tell(message, pcall(agent.send, say.to, say.type, say.body))
end)
agent.on("spec/1.0/reply", function(message)
  local say = message.body
  if say.performative == "refuse" then
    return tell(message, pcall(agent.refuse, say.ref, say.body.why, say.body.code))
  end
  tell(message, pcall(agent.reply, say.ref, say.performative, say.body))
end)
agent.on("spec/1.0/take", function(message)
  for i, heard in ipairs(state.heard or {}) do
    if not message.body.type or heard.type == message.body.type then
      message:reply("taken", heard)
      table.remove(state.heard, i)
      return
    end
  end
  message:reply("taken", { nothing = true })
end)
]]

-- An agent that a spec speaks through. options: protocols (definitions, whose messages it takes),
-- handles (more message types), offers.
function World:peer(name, options)
  options = options or {}
  local handles = haggle.array {}
  for _, definition in ipairs(options.protocols or {}) do
    for performative in pairs(definition.messages) do
      handles[#handles + 1] = definition.name .. "/" .. definition.version .. "/" .. performative
    end
  end
  for _, kind in ipairs(options.handles or {}) do handles[#handles + 1] = kind end
  self.native:add(name, name .. ".lua", PEER .. LOOK, {
    protocols = haggle.array(options.protocols or {}), handles = handles,
    offers = haggle.array(options.offers or {}),
  })
  return setmetatable({ world = self, name = name, id = self:id(name) }, Peer)
end

local function command(peer, kind, body)
  local reply, why = peer.world:ask(peer.name, "spec/1.0/" .. kind, body)
  if not reply then error(peer.name .. ": " .. why, 3) end
  return reply.body
end

local function said(result)
  if result.id then return result.id end
  return nil, result.why, result.code
end

-- Opens a thread: its id, or nil, why, code ("raised" when the agent's own host forbids it).
function Peer:send(to, kind, body)
  return said(command(self, "send", { to = to, type = kind, body = body or {} }))
end

-- `message` is one that expect gave.
function Peer:reply(message, performative, body)
  return said(command(self, "reply",
    { ref = message.ref, performative = performative, body = body or {} }))
end

function Peer:refuse(message, why, code)
  return self:reply(message, "refuse", { why = why, code = code })
end

-- The next message of this type (any, without) that was not taken yet, or nil. What came back to
-- the peer has the type "undelivered".
function Peer:take(kind)
  local found = command(self, "take", { type = kind })
  if found.nothing then return nil end
  return found
end

local STEP_MS = 100

local function milliseconds(duration)
  if type(duration) == "number" then return duration end
  local amount, unit = duration:match "^([%d.]+)(%a+)$"
  local factor = ({ ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 })[unit]
  if not factor then error("'" .. duration .. "' is no duration", 3) end
  return math.floor(tonumber(amount) * factor)
end

-- The same, but time passes until there is one, and none within that time is a failure.
function Peer:expect(kind, within)
  local left = milliseconds(within or "10s")
  local found = self:take(kind)
  while not found and left > 0 do
    self.world:advance(math.min(STEP_MS, left))
    left = left - STEP_MS
    found = self:take(kind)
  end
  if found then return found end
  local others, other = {}, self:take()
  while other do
    others[#others + 1] = other.type .. " " .. show(other.body)
    other = self:take()
  end
  fail("%s heard no %s within %s%s", self.name, kind or "message", within or "10s",
    #others > 0 and ", but " .. table.concat(others, "; ") or "")
end

return test
