---@meta

---Text with a unit (`"250ms"`, `"5s"`, `"2m"`, `"1h"`, `"30d"`), or milliseconds.
---@alias haggle.Duration string|integer

---`did:key:…`, or the name of an agent on the same host, or `did@did`: through a certain host.
---@alias haggle.Peer string

---What a message or `state` can hold: text in UTF-8, integers, finite doubles, booleans, `haggle.bytes`, `haggle.null`, lists (keys 1 to n) and maps with text keys.
---@alias haggle.Value string|integer|number|boolean|table|haggle.Bytes

---Why something did not happen.
---@alias haggle.Code "timeout"|"refused"|"undeliverable"|"not_here"|"no_handler"|"handler_failed"|"mailbox_full"|"unconfirmed"|"denied"|"limit"|"journal_full"|string

---@class haggle.Description
---@field name? string
---@field version? integer a higher one than before calls `on_upgrade`
---@field about? string

---The type of a field of a body: `"string"`, `"integer"`, `"number"`, `"boolean"`, `"bytes"`, `"list"`, `"map"`, `"did"` or `"any"`, optional with a `?` at its end; or a table.
---@alias haggle.FieldType string|haggle.FieldRule

---@class haggle.FieldRule
---@field type string
---@field optional? boolean
---@field min? number of a number itself, or of a size
---@field max? number of a number itself, or of a size
---@field of? haggle.FieldType the type of the elements
---@field one_of? haggle.Value[] the values it may have

---@class haggle.MessageRule
---@field body? table<string, haggle.FieldType> no other fields; absent: anything
---@field replies? string[] what the other side may say next
---@field follows? string[] what the same side may say next, without waiting
---@field opening? boolean may begin a dialogue; the default for messages that nothing leads to
---@field from? string one of the protocol's roles
---@field within? haggle.Duration how long the other side has to answer

---@class haggle.Protocol
---@field name string
---@field version string
---@field roles? string[] two, the first of which opens
---@field messages table<string, haggle.MessageRule>

---@class haggle.Offer
---@field service string
---@field protocol? string as in `"weather/1.0"`
---@field price? number
---@field [string] haggle.Value more fields by which it is found

---An offer as it is found.
---@class haggle.FoundOffer: haggle.Offer
---@field agent string the did of who makes it

---@class haggle.Query
---@field service? string
---@field protocol? string
---@field where? table<string, any> conditions: `field = value`, or `{ at_most =, at_least =, below =, above =, one_of =, not_ =, has =, near = }`; `all`, `any` and `none` hold lists of conditions
---@field order? string a field; with a `-` in front from the highest down
---@field limit? integer at most 1000 (100)

---@class haggle.Deal
---@field id string
---@field status string
---@field messages? string[] ids of the messages that prove it
---@field [string] haggle.Value

---An interval, or a cron line.
---@class haggle.Schedule
---@field every? haggle.Duration
---@field cron? string five fields, as in `"0 9 * * 1-5"`, or `@daily` and the like
---@field zone? string whose clock the cron line goes by ("UTC")
---@field at_start? boolean also due when it is declared for the first time

---@class haggle.SendOptions
---@field expires? haggle.Duration how long it may wait for delivery

---@class haggle.AskOptions
---@field within? haggle.Duration how long to wait for the answer (30 seconds)

---@class haggle.AfterOptions
---@field key? string tells timers of one name apart

---@class haggle.Answer
---@field ok boolean
---@field message? haggle.Message
---@field why? string
---@field code? haggle.Code

---What an agent declares, at its script's top level, and does, in handlers.
---@class haggle.Agent
---@field name string its name on this host
---@field id string its did
---@field config table from the host file; constant
agent = {}

---Says what this agent is. For the top level.
---@param description haggle.Description
function agent.describe(description) end

---Declares a protocol that this agent speaks: hosts check its messages. For the top level.
---@param definition haggle.Protocol
function agent.protocol(definition) end

---What other agents find with `agent.find`. For the top level.
---@param offer haggle.Offer
function agent.offer(offer) end

---Handles messages of a type, `protocol/version/performative`. For the top level.
---@param type string
---@param fn fun(message: haggle.Message)
function agent.on(type, fn) end

---`"created"` the first time, then `"restarted"`, or `"reloaded"` with a changed script. For the top level.
---@param fn fun(reason: "created"|"restarted"|"reloaded")
function agent.on_start(fn) end

---The version that `agent.describe` tells is a higher one; before `on_start`. For the top level.
---@param fn fun(from: integer, to: integer)
function agent.on_upgrade(fn) end

---The agent or its host is stopped; what it sends still goes out. For the top level.
---@param fn fun()
function agent.on_stop(fn) end

---A message of this agent did not arrive. For the top level.
---@param fn fun(message: haggle.Message, why: string, code: haggle.Code)
function agent.on_undelivered(fn) end

---@class haggle.RouteOptions
---@field within? haggle.Duration how long an answer may take (30 seconds)

---Answers HTTP requests at this path below `/agents/NAME`: what the handler returns, as JSON with 200; `nil, why, code` as the error that fits. A segment `:name` takes one, a `*` at the end all that follows. For the top level.
---@param method string `"GET"`, `"POST"`, `"PUT"`, `"PATCH"` or `"DELETE"`
---@param path string as in `"/lots/:id"`
---@param fn fun(request: haggle.Request): any, string?, haggle.Code?
---@param options? haggle.RouteOptions
function agent.on_http(method, path, fn, options) end

---What `agent.after` and `agent.continue` with this name come to. For the top level.
---@param name string
---@param fn fun(value: any)
function agent.on_timer(name, fn) end

---Again and again, also across restarts; what was missed is made up for once. For the top level.
---@param name string
---@param schedule haggle.Duration|haggle.Schedule
---@param fn fun()
function agent.every(name, schedule, fn) end

---Opens a thread: its id, or nil, why, code.
---@param to haggle.Peer
---@param type string
---@param body? table
---@param options? haggle.SendOptions
---@return string? thid
---@return string? why
---@return haggle.Code? code
function agent.send(to, type, body, options) end

---Answers in the thread of a message: the id of the answer, or nil, why, code.
---@param message haggle.Message|haggle.Ref
---@param performative string
---@param body? table
---@param options? haggle.SendOptions
---@return string? id
---@return string? why
---@return haggle.Code? code
function agent.reply(message, performative, body, options) end

---Ends the dialogue; to an `ask` it is nil, why, "refused".
---@param message haggle.Message|haggle.Ref
---@param why? string
---@param code? string
---@return string? id
---@return string? failed
---@return haggle.Code? failure
function agent.refuse(message, why, code) end

---Sends, and waits for the answer; nil, why, code when there is none. Suspends.
---@async
---@param to haggle.Peer
---@param type string
---@param body? table
---@param options? haggle.AskOptions
---@return haggle.Message? reply
---@return string? why
---@return haggle.Code? code
function agent.ask(to, type, body, options) end

---Asks many, and waits for all answers, which come in the order of the questions `{ to, type, body }`. Suspends.
---@async
---@param questions table[]
---@param options? haggle.AskOptions
---@return haggle.Answer[]
function agent.ask_all(questions, options) end

---What a model of the host makes of `inputs`: a table of its inputs by name, each a number or nested lists of numbers (or `{ shape = {…}, data = haggle.bytes(…) }`), or the request of a language model. Suspends. Needs the grant `infer=model`.
---@async
---@param model string
---@param inputs table
---@param options? haggle.AskOptions
---@return table? outputs
---@return string? why
---@return haggle.Code? code
function agent.infer(model, inputs, options) end

---Suspends.
---@async
---@param duration haggle.Duration
function agent.sleep(duration) end

---Calls `fn(...)`; no other handler of this agent is inside the same key meanwhile, also across restarts. Suspends until it is free.
---@async
---@param key string
---@param fn fun(...): ...
---@param ... any
---@return any ...
function agent.exclusive(key, fn, ...) end

---When this handler has ended, that of the timer `name` begins, in the same commit.
---@param name string
---@param value? haggle.Value
---@return true? done
---@return string? why
---@return haggle.Code? code
function agent.continue(name, value) end

---Sets a durable timer; the same name and key replaces. The key is the value, when that is text, or the option.
---@param name string of an `agent.on_timer`
---@param delay haggle.Duration
---@param value? haggle.Value
---@param options? haggle.AfterOptions
---@return true? done
---@return string? why
---@return haggle.Code? code
function agent.after(name, delay, value, options) end

---Takes a timer back.
---@param name string
---@param key? string
---@return true? done
---@return string? why
---@return haggle.Code? code
function agent.cancel(name, key) end

---Offers of other agents, or nil, why, code.
---@param query? haggle.Query
---@return haggle.FoundOffer[]? offers
---@return string? why
---@return haggle.Code? code
function agent.find(query) end

---Keeps the evidence of a message for good.
---@param message haggle.Message|haggle.Ref|string a message, its `ref()` or its id
---@return any
---@return string? why
---@return haggle.Code? code
function agent.keep(message) end

---Writes or replaces the record of a deal, which `haggle deals` shows.
---@param deal haggle.Deal
---@return any
---@return string? why
---@return haggle.Code? code
function agent.deal(deal) end

---Whether the operator allows it; at the top level too.
---@param kind string
---@param value string
---@return boolean
function agent.granted(kind, value) end
