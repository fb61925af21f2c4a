---@meta haggle.http

---HTTP requests to servers outside. What an agent may reach is granted by its operator.
---@class haggle.http
local http = {}

---@class haggle.http.Options
---@field method? string "GET", or "POST" where there is a body
---@field query? table<string, any> fields that are added to the URL
---@field headers? table<string, string|number|haggle.Secret>
---@field json? haggle.Value a body
---@field form? table<string, any> a body
---@field body? string|haggle.Bytes
---@field within? haggle.Duration for all of it ("30s")
---@field max? string|integer bytes of the answer's body ("128KB")
---@field redirects? integer how many are followed (5)
---@field repeat_safe? boolean whether the request may be sent twice: true for GET, HEAD and OPTIONS

---@class haggle.http.Request: haggle.http.Options
---@field url string

---@class haggle.http.Answer
---@field status integer
---@field ok boolean the status is 200 to 299
---@field headers table<string, any> names in lower case
---@field body string|haggle.Bytes
---@field json? haggle.Value where the server says that it is JSON
---@field url string the last one

---Any status is an answer; nil, why, code is for what gave none. Suspends. Needs the grant `net=options.url`.
---@async
---@param options haggle.http.Request
---@return haggle.http.Answer? answer
---@return string? why
---@return haggle.Code? code
function http.request(options) end

---GET, as `http.request`. Suspends. Needs the grant `net=url`.
---@async
---@param url string
---@param options? haggle.http.Options
---@return haggle.http.Answer? answer
---@return string? why
---@return haggle.Code? code
function http.get(url, options) end

---HEAD, as `http.request`. Suspends. Needs the grant `net=url`.
---@async
---@param url string
---@param options? haggle.http.Options
---@return haggle.http.Answer? answer
---@return string? why
---@return haggle.Code? code
function http.head(url, options) end

---POST, as `http.request`. Suspends. Needs the grant `net=url`.
---@async
---@param url string
---@param options? haggle.http.Options
---@return haggle.http.Answer? answer
---@return string? why
---@return haggle.Code? code
function http.post(url, options) end

---PUT, as `http.request`. Suspends. Needs the grant `net=url`.
---@async
---@param url string
---@param options? haggle.http.Options
---@return haggle.http.Answer? answer
---@return string? why
---@return haggle.Code? code
function http.put(url, options) end

---PATCH, as `http.request`. Suspends. Needs the grant `net=url`.
---@async
---@param url string
---@param options? haggle.http.Options
---@return haggle.http.Answer? answer
---@return string? why
---@return haggle.Code? code
function http.patch(url, options) end

---DELETE, as `http.request`. Suspends. Needs the grant `net=url`.
---@async
---@param url string
---@param options? haggle.http.Options
---@return haggle.http.Answer? answer
---@return string? why
---@return haggle.Code? code
function http.delete(url, options) end

---`a=1&b=2`, as in a query or a form.
---@param fields table<string, any>
---@return string
function http.encode(fields) end

return http
