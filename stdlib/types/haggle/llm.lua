---@meta haggle.llm

---Asks language models, for decisions rather than for prose.
---@class haggle.llm
local llm = {}

---@class haggle.llm.Sampling
---@field model string its name on the host
---@field within? haggle.Duration for all of it ("60s")
---@field max_tokens? integer of an answer (256)
---@field temperature? number 0: always the likeliest
---@field top_p? number
---@field top_k? integer
---@field min_p? number
---@field repeat_penalty? number
---@field seed? integer
---@field stop? string[] texts that end the answer

---@class haggle.llm.Usage
---@field prompt integer tokens read
---@field completion integer tokens written

---@class haggle.llm.Decide: haggle.llm.Sampling
---@field question? string what to decide
---@field about? any on what: text or a value
---@field system? string instead of our own instruction
---@field prompt? string instead of these: text that the model goes on with
---@field choices? string[] the decision is `{ choice = one of them }`
---@field schema? haggle.Schema or the decision satisfies it
---@field attempts? integer so many times in all (2)

---@class haggle.llm.Took
---@field attempts integer
---@field usage haggle.llm.Usage

---A table that satisfies the schema, and what it took; or nil, why, code. Suspends. Needs the grant `infer=options.model`.
---@async
---@param options haggle.llm.Decide
---@return any decision
---@return haggle.llm.Took|string took
---@return haggle.Code? code
function llm.decide(options) end

---@class haggle.llm.ToolCall
---@field id string
---@field name string
---@field arguments table<string, any>

---@class haggle.llm.Message
---@field role "system"|"user"|"assistant"|"tool"
---@field content string
---@field name? string of the tool
---@field id? string of its call
---@field tool_calls? haggle.llm.ToolCall[]

---@class haggle.llm.Tool
---@field name string letters, digits, _ and -
---@field about? string
---@field parameters? haggle.Schema
---@field call? fun(arguments: table<string, any>): any, string?, haggle.Code?
---@field ask? string[] an agent and a type; the arguments are the body
---@field within? haggle.Duration for its reply ("10s")

---@class haggle.llm.Chat: haggle.llm.Sampling
---@field messages haggle.llm.Message[]
---@field tools? haggle.llm.Tool[]
---@field permit? fun(call: haggle.llm.ToolCall): boolean?, string? whether a call may be carried out
---@field steps? integer answers of the model at most (8)
---@field tokens? integer read and written in all
---@field cost? number in all
---@field price_in? number of a million tokens read
---@field price_out? number of a million tokens written

---@class haggle.llm.Answer
---@field text string
---@field finish "stop"|"length"
---@field messages haggle.llm.Message[] the whole conversation
---@field steps integer
---@field usage haggle.llm.Usage
---@field cost number

---The answer; or nil, why, code, and what there is of it by then. Suspends. Needs the grant `infer=options.model`.
---@async
---@param options haggle.llm.Chat
---@return haggle.llm.Answer? answer
---@return string? why
---@return haggle.Code? code
---@return haggle.llm.Answer? so_far without text
function llm.chat(options) end

---@class haggle.llm.Complete: haggle.llm.Sampling
---@field prompt string

---How a text goes on; or nil, why, code. Suspends. Needs the grant `infer=options.model`.
---@async
---@param options haggle.llm.Complete
---@return { text: string, finish: "stop"|"length", usage: haggle.llm.Usage }? answer
---@return string? why
---@return haggle.Code? code
function llm.complete(options) end

---@class haggle.llm.Embed: haggle.llm.Sampling
---@field input string|string[]

---A vector of length 1 for a text, a list of them for a list; or nil, why, code. Suspends. Needs the grant `infer=options.model`.
---@async
---@param options haggle.llm.Embed
---@return number[]|number[][]? vectors
---@return string? why
---@return haggle.Code? code
function llm.embed(options) end

---How alike two vectors are: 1 for the same meaning, about 0 for nothing in common.
---@param a number[]
---@param b number[]
---@return number
function llm.likeness(a, b) end

return llm
