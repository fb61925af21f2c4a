---@meta haggle.test

---What specs (`haggle test`) are written with.
---@class haggle.test
---@field folder string the folder of the spec
---@field spec string its path
---@field anything any in an expected value: anything but nil
local test = {}

---@class haggle.test.WorldOptions
---@field seed? integer
---@field at? string when it begins, as in "2026-03-28T12:00:00Z"
---@field latency? haggle.Duration of messages between hosts ("1ms")
---@field keep_lua? boolean agents keep their Lua states, and with them `cache`, between handlers

---@class haggle.test.AgentOptions
---@field name string
---@field script? string a path from the spec's folder
---@field source? string
---@field path? string what errors call a source
---@field config? table
---@field allow? string[]
---@field host? string made when it is not there

---@class haggle.test.PeerOptions
---@field protocols? haggle.Protocol[] whose messages it takes
---@field handles? string[] more message types
---@field offers? haggle.Offer[]
---@field host? string made when it is not there

---@class haggle.test.Heard
---@field id string
---@field type string "undelivered" for what came back
---@field of string the type of the message
---@field performative string
---@field from string
---@field to string
---@field thread string
---@field thid string
---@field created integer
---@field body table
---@field code? haggle.Code

---@class haggle.test.Filter
---@field from? string
---@field to? string
---@field type? string
---@field body? table a part of it
---@field thid? string
---@field host? string
---@field handled? boolean

---Names the tests that `fn` declares.
---@param name string
---@param fn fun()
function test.describe(name, fn) end

---A test; without `fn` it is pending.
---@param name string
---@param fn? fun()
function test.it(name, fn) end

---A test that is told as pending and not run; within a test, it ends it so.
---@param name? string
---@param why? string|fun()
function test.pending(name, why) end

---Called before each test of this describe and those within.
---@param fn fun()
function test.before_each(fn) end

---Called after each test of this describe and those within, also when it failed.
---@param fn fun()
function test.after_each(fn) end

---@param value any
---@return haggle.test.Expectation
function test.expect(value) end

---A value as text.
---@param value any
---@return string
function test.show(value) end

---In an expected value: text in which the pattern is found.
---@param pattern string
---@return any
function test.like(pattern) end

---In an expected value: a value of this type, or "integer" or "float".
---@param kind string
---@return any
function test.a(kind) end

---Hosts in memory with a clock that only the spec moves, for as long as the test.
---@param options? haggle.test.WorldOptions
---@return haggle.test.World
function test.world(options) end

---@class haggle.test.World
local World = {}

---Adds an agent.
---@param options haggle.test.AgentOptions
---@return string name
function World:agent(options) end

---A file for `host.read`; nil removes it.
---@param path string
---@param content? string
function World:file(path, content) end

---Answers the HTTP requests of the world's agents: `fn` gives a status, or `{ status =, headers =, body = or json = }`, or nil, why, code.
---@param fn? fun(request: table): any, string?, string?
function World:http(fn) end

---A model of this name for `agent.infer`: `fn` is given the inputs (or the request of a language model) and the agent's name, and gives the outputs, or nil, why, code; nil alone: no answer ever comes.
---@param name string
---@param fn fun(request: table, agent: string): table?, string?, string?
function World:model(name, fn) end

---The answer to the operator, or nil, why, code.
---@param name string
---@param kind string
---@param body? table
---@return haggle.test.Heard? reply
---@return string? why
---@return haggle.Code? code
function World:ask(name, kind, body) end

---The operator says it and waits for nothing.
---@param name string
---@param kind string
---@param body? table
function World:send(name, kind, body) end

---Lets happen what is due now.
function World:run() end

---Lets time pass, up to a year.
---@param duration haggle.Duration
function World:advance(duration) end

---One tick of each host; whether there is more to do now.
---@return boolean
function World:tick() end

---Tick by tick, and as time passes, until `fn()` is true; gives what it returned.
---@generic T
---@param fn fun(): T
---@param within? haggle.Duration "10s"
---@return T
function World:run_until(fn, within) end

---One more host; the first is "home".
---@param name string
function World:host(name) end

---How long messages between hosts take.
---@param duration haggle.Duration
function World:latency(duration) end

---Nothing passes between these sides: hosts, or lists of hosts.
---@param ... string|string[]
function World:partition(...) end

---All hosts reach each other again.
function World:heal() end

---The host, or that of an agent, dies at once.
---@param name string
function World:kill(name) end

---It calls `on_stop` of its agents, comes to rest and ends.
---@param name string
function World:stop(name) end

---It starts on what it has stored, with the agents it had.
---@param name string
function World:start(name) end

---What is due happens, then it is killed and started; without a name all hosts.
---@param name? string
function World:restart(name) end

---A plain copy of what the agent has stored.
---@param name string
---@return table
function World:state(name) end

---What was said, in order.
---@param wanted? haggle.test.Filter
---@return table[]
function World:messages(wanted) end

---Timers that are set, the next first.
---@param name string
---@return table[]
function World:timers(name) end

---@param name? string
---@return table[]
function World:deals(name) end

---@param name? string
---@return table[]
function World:dead(name) end

---@param name? string
---@return table[]
function World:runs(name) end

---@param name? string
---@return table[]
function World:agents(name) end

---Lines logged.
---@param who? string
---@return table[]
function World:log(who) end

---Adverts, as the first host or this one knows them.
---@param query string
---@param host? string
---@return table[]
function World:find(query, host) end

---@param name string
---@return string did
function World:id(name) end

---@param name string
---@return string address `did@did`
function World:address(name) end

---Unix time in ms.
---@return integer
function World:now() end

---An agent that the spec speaks through.
---@param name string
---@param options? haggle.test.PeerOptions
---@return haggle.test.Peer
function World:peer(name, options) end

---@class haggle.test.Peer
---@field name string
---@field id string
---@field world haggle.test.World
local Peer = {}

---Opens a thread: its id, or nil, why, code.
---@param to string the name of any agent of the world, or what `agent.send` takes
---@param kind string
---@param body? table
---@return string? thread
---@return string? why
---@return haggle.Code? code
function Peer:send(to, kind, body) end

---@param message haggle.test.Heard
---@param performative string
---@param body? table
---@return string? id
---@return string? why
---@return haggle.Code? code
function Peer:reply(message, performative, body) end

---@param message haggle.test.Heard
---@param why? string
---@param code? string
---@return string? id
---@return string? failed
---@return haggle.Code? failure
function Peer:refuse(message, why, code) end

---The next message of this type (any, without) that was not taken yet, or nil.
---@param kind? string
---@return haggle.test.Heard?
function Peer:take(kind) end

---The same; time passes until it is there, and after `within` the test fails.
---@param kind? string
---@param within? haggle.Duration "10s"
---@return haggle.test.Heard
function Peer:expect(kind, within) end

---Each gives the expectation back.
---@class haggle.test.Expectation
---@field never haggle.test.Expectation turns round what follows
---@field value any
local Expectation = {}

---By content; what differs is told place by place.
---@param wanted any
---@return haggle.test.Expectation
function Expectation:equals(wanted) end

---@param other any
---@return haggle.test.Expectation
function Expectation:differs_from(other) end

---At least these fields, at any depth.
---@param wanted table
---@return haggle.test.Expectation
function Expectation:has(wanted) end

---Text in a text; in a table, an element that is it or has its fields.
---@param wanted any
---@return haggle.test.Expectation
function Expectation:contains(wanted) end

---@return haggle.test.Expectation
function Expectation:exists() end

---@return haggle.test.Expectation
function Expectation:is_nil() end

---@return haggle.test.Expectation
function Expectation:is_true() end

---@return haggle.test.Expectation
function Expectation:is_false() end

---@return haggle.test.Expectation
function Expectation:is_empty() end

---A type, or "integer" or "float".
---@param kind string
---@return haggle.test.Expectation
function Expectation:is_a(kind) end

---@param length integer
---@return haggle.test.Expectation
function Expectation:has_length(length) end

---@param least number
---@param most number
---@return haggle.test.Expectation
function Expectation:is_between(least, most) end

---@param wanted number
---@param tolerance number
---@return haggle.test.Expectation
function Expectation:is_near(wanted, tolerance) end

---A text in which the Lua pattern is found.
---@param pattern string
---@return haggle.test.Expectation
function Expectation:matches(pattern) end

---Of a function; what follows is about the error's text.
---@param pattern? string
---@return haggle.test.Expectation
function Expectation:raises(pattern) end

---Of a peer: it has heard such a message, with at least these fields in its body.
---@param kind? string
---@param body? table
---@return haggle.test.Expectation
function Expectation:received(kind, body) end

return test
