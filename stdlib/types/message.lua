---@meta

---A message as its handler has it; it cannot be changed.
---@class haggle.Message
---@field type string `protocol/version/performative`
---@field protocol string
---@field version string
---@field performative string
---@field body table<string, any> a table of its own
---@field from string the did of who sent it
---@field to string the did of who it is for
---@field id string 32 hex digits
---@field thid string the thread
---@field pthid? string the thread that this one serves
---@field thread string peer and thread in one text: a key for what you keep about the thread
---@field created integer Unix time in ms
---@field expires? integer Unix time in ms
---@field attempt integer 1, or more when the handler has raised before
local Message = {}

---Answers in the same thread and protocol: the id of the answer, or nil, why, code.
---@param performative string
---@param body? table
---@param options? haggle.SendOptions
---@return string? id
---@return string? why
---@return haggle.Code? code
function Message:reply(performative, body, options) end

---Ends the dialogue; to an `ask` it is nil, why, "refused".
---@param why? string
---@param code? string
---@return string? id
---@return string? failed
---@return haggle.Code? failure
function Message:refuse(why, code) end

---A plain table for `state`, for `agent.reply` and `agent.refuse` at another time.
---@return haggle.Ref
function Message:ref() end

---What stands for a message in `state`.
---@class haggle.Ref
---@field id string
---@field from string
---@field type string
---@field thid string
---@field pthid? string
