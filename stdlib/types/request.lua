---@meta

---An HTTP request as its handler has it; it cannot be changed.
---@class haggle.Request
---@field method string `"GET"`, …
---@field path string behind `/agents/NAME`, decoded
---@field params table<string, string> what `:name` and `*` took
---@field query table<string, string|string[]> a list of what came several times
---@field headers table<string, string|string[]> names in lower case, without `authorization`
---@field body string|haggle.Bytes
---@field json? any the decoded body, if its `Content-Type` says that it is JSON
local Request = {}

---Answers, once: text and `haggle.bytes` as they are, any other value as JSON.
---@param status integer 200 to 599
---@param body? haggle.Value
---@param headers? table<string, string>
function Request:answer(status, body, headers) end
