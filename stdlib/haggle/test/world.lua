-- haggle.test.world: worlds, in which agents live for the length of one test. A part of
-- haggle.test, whose page in stdlib/README.md says what each function is for.
local native = require "haggle.world"
local runner = require "haggle.test.runner"
local haggle = require "haggle"
local diff = require "haggle.test.diff"

local World, Peer = {}, {}
World.__index, Peer.__index = World, Peer

local function check_options(options, known, what)
  if type(options) ~= "table" then error(what .. " takes a table of options", 3) end
  for key in pairs(options) do
    if not known[key] then error(("%s has no option '%s'"):format(what, tostring(key)), 3) end
  end
end

local function read_file(path)
  local file, why = io.open(path, "rb")
  if not file then error(why, 3) end
  local text = file:read "a"
  file:close()
  return text
end

-- A world ----------------------------------------------------------------------------------------

local WORLD_OPTIONS = { seed = true, at = true, latency = true, keep_lua = true }

-- seed (the runner's --seed when absent), at (when it begins, as in "2026-03-28T12:00:00Z"),
-- latency (of messages between hosts: "1ms"), keep_lua (whether agents keep their Lua states, and
-- with them `cache`, between handlers).
local function new(options)
  options = options or {}
  check_options(options, WORLD_OPTIONS, "test.world")
  return setmetatable({
    native = native.create(options.seed, options.at, options.latency, options.keep_lua),
    models = {},
  }, World)
end

-- Hosts ------------------------------------------------------------------------------------------

-- One more host, joined with all others. The first is "home".
function World:host(name) self.native:host(name) end

local function flat_sides(world, sides)
  local groups, of = {}, {}
  for i, side in ipairs(sides) do
    groups[i] = type(side) == "table" and side or { side }
    for _, name in ipairs(groups[i]) do of[name] = i end
  end
  if #groups ~= 1 then return groups end
  groups[2] = {}
  for _, name in ipairs(world.native:hosts()) do
    if not of[name] then table.insert(groups[2], name) end
  end
  return groups
end

-- Nothing passes between these sides any more: hosts, or lists of hosts; a single one is cut off
-- from all others. Messages that are on their way are lost, and sent again when it is over.
function World:partition(...)
  local groups = flat_sides(self, { ... })
  if #groups < 2 then error("partition takes hosts, or lists of hosts", 2) end
  for i, one in ipairs(groups) do
    for j = i + 1, #groups do
      for _, a in ipairs(one) do
        for _, b in ipairs(groups[j]) do self.native:cut(a, b, true) end
      end
    end
  end
end

-- All hosts reach each other again.
function World:heal()
  local names = self.native:hosts()
  for i, a in ipairs(names) do
    for j = i + 1, #names do self.native:cut(a, names[j], false) end
  end
end

-- How long messages between hosts take from now on.
function World:latency(duration) self.native:latency(duration) end

-- Each of these takes a host, or an agent for the host that it lives on.
function World:kill(name) self.native:kill(name) end
function World:stop(name) self.native:stop(name) end
function World:start(name) self.native:start(name) end

-- What is due now happens, then the host (all of them, without a name) is killed, and started.
function World:restart(name) self.native:restart(name) end

-- Agents -----------------------------------------------------------------------------------------

local AGENT_OPTIONS = {
  name = true, script = true, source = true, path = true, config = true, allow = true, host = true,
}

local function make_host(world, name)
  if not name then return end
  for _, known in ipairs(world.native:hosts()) do
    if known == name then return end
  end
  world.native:host(name)
end

-- name, script (a path from the spec's folder) or source (and path, as errors name it), config,
-- allow ({ "read=/proc/stat" }), host (made when it is not there).
function World:agent(options)
  check_options(options, AGENT_OPTIONS, "world:agent")
  if type(options.name) ~= "string" then error("world:agent needs a name", 2) end
  local path = options.path or options.name .. ".lua"
  if options.script then path = runner.folder .. "/" .. options.script end
  local source = options.source or read_file(path)
  make_host(self, options.host)
  self.native:add(options.name, path, source, options.config, options.allow, options.host)
  return options.name
end

-- What host.read finds, on every host; nil: the file is gone.
function World:file(path, content) self.native:file(path, content) end

-- As a spec sees it: { agent =, method =, url =, headers = { name = text }, body =, json = }. A
-- secret stands in a header as "[secret NAME]".
local function show_request(world, name, request)
  local method, url, headers, body = request[1], request[2], {}, request[4]:raw()
  for _, header in ipairs(request[3]) do
    local text = ""
    for _, part in ipairs(header[2]) do
      text = text .. (type(part) == "table" and "[secret " .. part.secret .. "]" or part)
    end
    headers[header[1]:lower()] = text
  end
  local is_json = (headers["content-type"] or ""):find "json"
  return {
    agent = name, method = method, url = url, headers = headers, body = body,
    json = is_json and world.native:from_json(body) or nil, repeat_safe = request[7],
  }
end

local ANSWER = { status = true, headers = true, body = true, json = true, url = true }

-- As http.lua expects it.
local function answer_of(world, request, answer)
  check_options(answer, ANSWER, "the answer of world:http")
  local headers, body = {}, answer.body or ""
  for key, value in pairs(answer.headers or {}) do headers[key:lower()] = value end
  if answer.json ~= nil then
    body = world.native:to_json(answer.json)
    headers["content-type"] = headers["content-type"] or "application/json"
  end
  return { status = answer.status or 200, headers = headers, body = body,
    url = answer.url or request.url }
end

-- How requests of haggle.http are answered: fn(request) returns { status =, headers =, body = or
-- json = }, or nil, why, code for what fails (`unreachable`, …); nil alone: no answer ever comes.
function World:http(fn)
  self.native:http(function(name, raw)
    local request = show_request(self, name, raw)
    local answer, why, code = fn(request)
    if answer == nil then return nil, why, code end
    return answer_of(self, request, answer)
  end)
end

-- A model of this name, for agent.infer: fn(request, agent) is given the inputs, or the request of
-- a language model, and returns the outputs or the answer, or nil, why, code for what fails; nil
-- alone: no answer ever comes.
function World:model(name, fn)
  if type(name) ~= "string" or type(fn) ~= "function" then
    error("world:model takes a name and a function", 2)
  end
  self.models[name] = fn
  self.native:models(function(agent, asked)
    local wanted, request = asked[1], asked[2]
    local model = self.models[wanted]
    if not model then
      return nil, ("this world has no model '%s': world:model('%s', function(request) … end) adds "
        .. "it"):format(wanted, wanted), "not_found"
    end
    local answer, why, code = model(request, agent)
    if answer == nil then return nil, why, code end
    if type(answer) ~= "table" then
      error(("world:model('%s') answered a %s, no table of outputs"):format(wanted, type(answer)),
        0)
    end
    return answer
  end)
end

-- What happens -----------------------------------------------------------------------------------

-- Lets everything happen that is due now; time stands still.
function World:run() self.native:run() end

-- Lets time pass: "1h", "250ms" or milliseconds.
function World:advance(duration) self.native:advance(duration) end

-- One tick of each host: what was taken in is handled and stored; what was stored with the tick
-- before leaves. Whether there is more to do now.
function World:tick() return self.native:tick() end

local function milliseconds(duration)
  if type(duration) == "number" then return duration end
  local amount, unit = tostring(duration):match "^([%d.]+)(%a+)$"
  local factor = ({ ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 })[unit]
  if not factor or not tonumber(amount) then
    error("'" .. tostring(duration) .. "' is no duration", 3)
  end
  return math.floor(tonumber(amount) * factor)
end

-- Goes on tick by tick until `fn` returns something true, which is returned; what `fn` looks at
-- stands still meanwhile. Fails when that has not come within `within` ("10s").
function World:run_until(fn, within)
  local left = milliseconds(within or "10s")
  local before = self.still
  self.still = true
  local found = fn()
  while not found do
    if not self.native:tick() then
      if left <= 0 then break end
      left = self.native:step(left)
    end
    found = fn()
  end
  self.still = before
  if not found then
    error({ failure = ("what was waited for did not come within %s"):format(within or "10s") }, 0)
  end
  return found
end

-- The answer of an agent to the operator of its host: a message, or nil, why, code.
function World:ask(name, kind, body)
  local reply, why, code = self.native:ask(name, kind, body)
  if not reply then return nil, why, code end
  if reply.type == "haggle/1.0/refuse" then return nil, reply.body.why, reply.body.code end
  return reply
end

-- The operator says something and waits for nothing; it is heard with the next tick. The thread.
function World:send(name, kind, body) return self.native:send(name, kind, body) end

-- Looking ----------------------------------------------------------------------------------------

-- Unix time in ms.
function World:now() return self.native:now() end

local function settle(world)
  if not world.still then world.native:run() end
end

-- A plain copy of what an agent has stored, when what is due now has happened; also of one that
-- does not run.
function World:state(name)
  settle(self)
  return self.native:state(name)
end

-- An agent's did.
function World:id(name) return self.native:id(name) end

-- "did@did": an agent through its host, as agents on other hosts can name it.
function World:address(name) return self.native:address(name) end

local function of_agent(list, name)
  local found = {}
  for _, item in ipairs(list) do
    if not name or item.agent == name then found[#found + 1] = item end
  end
  return found
end

-- Records as in `haggle deals`, of all agents or of one.
function World:deals(name) return of_agent(self.native:deals(), name) end

-- Dead letters as in `haggle dead`, of all agents or of one.
function World:dead(name) return of_agent(self.native:dead(), name) end

-- Handlers that wait, as in `haggle runs`.
function World:runs(name) return of_agent(self.native:runs(), name) end

-- Agents as in `haggle agents`; one of them, when named.
function World:agents(name)
  local list = self.native:agents()
  if not name then return list end
  for _, agent in ipairs(list) do
    if agent.name == name then return agent end
  end
end

-- An agent's timers, the next due first: { name =, key =, due = (Unix time in ms), left = (ms until
-- then), every = (ms, or nil), cron =, zone =, value = }.
function World:timers(name)
  settle(self)
  local timers, now = {}, self.native:now()
  for i, timer in ipairs(self.native:timers(name)) do
    timers[i] = {
      name = timer.name, key = timer.key ~= "" and timer.key or nil, due = timer.due_ms,
      left = timer.due_ms - now, every = timer.every_ms > 0 and timer.every_ms or nil,
      cron = timer.cron, zone = timer.zone, value = timer.value,
    }
  end
  table.sort(timers, function(a, b)
    if a.due ~= b.due then return a.due < b.due end
    if a.name ~= b.name then return a.name < b.name end
    return (a.key or "") < (b.key or "")
  end)
  return timers
end

-- Adverts that match a query as on the command line, as the first host (or this one) sees them.
function World:find(query, host) return self.native:find(query, host) end

-- Lines logged so far: { level =, who =, text =, host =, at = }; of one agent, when named.
function World:log(who)
  local lines = {}
  for _, line in ipairs(self.native:log()) do
    if not who or line.who == who then lines[#lines + 1] = line end
  end
  return lines
end

local MESSAGE_FIELDS = {
  from = true, to = true, type = true, thid = true, body = true, handled = true, host = true,
}

local function fits(message, wanted)
  if wanted.body and #diff.between(wanted.body, message.body, "", true) > 0 then return false end
  for _, end_ in ipairs { "from", "to" } do
    local name = wanted[end_]
    if name and message[end_] ~= name and message[end_ .. "_id"] ~= name then return false end
  end
  for _, field in ipairs { "type", "thid", "handled", "host" } do
    if wanted[field] ~= nil and message[field] ~= wanted[field] then return false end
  end
  return true
end

-- What agents (and operators) said so far, in order: { type =, from =, to = (names), body =, id =,
-- thid =, from_id =, to_id =, host =, at =, handled = (a handler was called with it) }. `wanted`:
-- of these only, by any of from, to, type, thid, host, handled, and fields of body.
function World:messages(wanted)
  wanted = wanted or {}
  check_options(wanted, MESSAGE_FIELDS, "world:messages")
  local found = {}
  for _, message in ipairs(self.native:messages()) do
    if fits(message, wanted) then found[#found + 1] = message end
  end
  return found
end

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

local PEER_OPTIONS = { protocols = true, handles = true, offers = true, host = true }

-- An agent that a spec speaks through. options: protocols (definitions, whose messages it takes),
-- handles (more message types), offers, host (made when it is not there).
function World:peer(name, options)
  options = options or {}
  check_options(options, PEER_OPTIONS, "world:peer")
  local handles = haggle.array {}
  for _, definition in ipairs(options.protocols or {}) do
    for _, performative in ipairs(diff.sorted_keys(definition.messages)) do
      handles[#handles + 1] = definition.name .. "/" .. definition.version .. "/" .. performative
    end
  end
  for _, kind in ipairs(options.handles or {}) do handles[#handles + 1] = kind end
  make_host(self, options.host)
  self.native:add(name, name .. ".lua", PEER, {
    protocols = haggle.array(options.protocols or {}), handles = handles,
    offers = haggle.array(options.offers or {}),
  }, nil, options.host)
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

-- An agent of this world that lives elsewhere is reached through its host.
local function address(peer, to)
  local native_world = peer.world.native
  local where = native_world:where(to)
  if not where or where == native_world:where(peer.name) then return to end
  local ok, through = pcall(native_world.address, native_world, to)
  return ok and through or to
end

-- Opens a thread: its id, or nil, why, code ("raised" when the agent's own host forbids it). `to`:
-- the name of an agent of this world, or what agent.send takes.
function Peer:send(to, kind, body)
  return said(command(self, "send", { to = address(self, to), type = kind, body = body or {} }))
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

-- The same, but time passes until there is one, and none within that time is a failure.
function Peer:expect(kind, within)
  local left = milliseconds(within or "10s")
  local found = self:take(kind)
  while not found and left > 0 do
    left = self.world.native:step(left)
    found = self:take(kind)
  end
  if found then return found end
  local others, other = {}, self:take()
  while other do
    others[#others + 1] = other.type .. " " .. diff.brief(other.body)
    other = self:take()
  end
  error({ failure = ("%s heard no %s within %s%s"):format(self.name, kind or "message",
    within or "10s", #others > 0 and ", but " .. table.concat(others, "; ") or "") }, 0)
end

return new
