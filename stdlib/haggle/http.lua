-- haggle.http: requests to servers outside. The handler waits for the answer; other handlers go on
-- meanwhile, and a crash in between is survived as everywhere. Where an agent may send requests to
-- is granted by its operator: --allow kiosk:net=api.example.org:443
--
--   local http = require "haggle.http"
--
--   agent.on("weather/1.0/request", function(message)
--     local answer, why, code = http.get("https://api.example.org/now", {
--       query = { city = message.body.city },
--       headers = { ["X-Key"] = haggle.secret "weather" },
--       within = "5s",
--     })
--     if not answer then return message:refuse(why, code) end
--     if not answer.ok then return message:refuse("no forecast: " .. answer.status, "upstream") end
--     message:reply("forecast", { celsius = answer.json.temp })
--   end)
local haggle = require "haggle"
local json = require "haggle.json"

local http = {}

local SIZE_MAX = 128 * 1024 -- of a body, by default: what a handler is told is kept until it ends
local REDIRECTS_MAX = 5
local UNITS = { KB = 1024, MB = 1024 * 1024 }
local READS = { GET = true, HEAD = true, OPTIONS = true }
local OPTIONS = {
  url = true, method = true, query = true, headers = true, json = true, form = true, body = true,
  within = true, max = true, redirects = true, repeat_safe = true,
}

-- Unreserved characters stay as they are (RFC 3986, 2.3).
local function escape(value)
  return (tostring(value):gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- "a=1&b=2&b=3", in the order of the keys.
function http.encode(fields)
  local parts = {}
  for name, value in pairs(fields) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = escape(name) .. "=" .. escape(one)
    end
  end
  return table.concat(parts, "&")
end

local function with_query(url, query)
  if not query then return url end
  local text = http.encode(query)
  if text == "" then return url end
  local address, fragment = url:match "^([^#]*)(.*)$"
  return address .. (address:find("?", 1, true) and "&" or "?") .. text .. fragment
end

local function size_of(max)
  if max == nil then return SIZE_MAX end
  if math.type(max) == "integer" then return max end
  local number, unit = tostring(max):match "^(%d+)(%a+)$"
  if not UNITS[unit] then error("max is a size, as in \"256KB\"", 3) end
  return math.tointeger(number) * UNITS[unit]
end

-- Body and its type.
local function body_of(options)
  local given = 0
  for _, name in ipairs { "json", "form", "body" } do
    if options[name] ~= nil then given = given + 1 end
  end
  if given > 1 then error("give one of json, form and body", 3) end
  if options.json ~= nil then return json.encode(options.json), "application/json" end
  if options.form then return http.encode(options.form), "application/x-www-form-urlencoded" end
  return options.body or "", nil
end

local function headers_of(options, kind)
  local headers, typed = haggle.array {}, false
  for name, value in pairs(options.headers or {}) do
    if type(value) == "number" then value = tostring(value) end
    local parts = haggle.secret_parts(value)
    if not parts then
      error(("header %s: expected text or a secret, got %s"):format(name, type(value)), 3)
    end
    headers[#headers + 1] = haggle.array { name, haggle.array(parts) }
    typed = typed or name:lower() == "content-type"
  end
  if kind and not typed then
    headers[#headers + 1] = haggle.array { "Content-Type", haggle.array { kind } }
  end
  return headers
end

local function is_json(headers)
  local kind = headers["content-type"]
  kind = type(kind) == "string" and kind:lower():match "^%s*([^;%s]*)" or ""
  return kind == "application/json" or kind:sub(-5) == "+json"
end

-- Of `options`, only `url` is needed:
--   method       "GET", or "POST" where there is a body
--   query        fields for the URL: { city = "Graz", tag = { "a", "b" } }
--   headers      name → text or a secret
--   json, form, body   one of them: a value, a table of fields, text or haggle.bytes
--   within       for all of it ("30s")
--   max          bytes of the answer's body: a number, or as in "256KB" (128KB); more is an error
--   redirects    how many are followed (5); each has to be granted as well
--   repeat_safe  whether the request may be sent twice: after a crash it is sent again, with the
--                same Idempotency-Key, instead of ending as `unknown_outcome` (true for GET, HEAD
--                and OPTIONS)
-- The answer: { status =, ok = (status is 2xx), headers = (names in lower case), body = text or
-- haggle.bytes, json = (where it says that it is), url = (the last one) }; any status is an answer.
-- Else nil, why, code: `denied` (with the grant to add), `timeout`, `unreachable`, `untrusted` (its
-- certificate), `too_large`, `closed`, `malformed`, `limit`, `unknown_outcome`.
function http.request(options)
  for name in pairs(options) do
    if not OPTIONS[name] then error(("unknown option '%s'"):format(name), 2) end
  end
  if type(options.url) ~= "string" then error("a request needs its url", 2) end
  local body, kind = body_of(options)
  local method = options.method or (options.json or options.form or options.body) and "POST"
    or "GET"
  local repeat_safe = options.repeat_safe
  if repeat_safe == nil then repeat_safe = READS[method] or false end
  local answer, why, code = host.call("http", haggle.array {
    method, with_query(options.url, options.query), headers_of(options, kind),
    type(body) == "string" and haggle.bytes(body) or body, size_of(options.max),
    options.redirects or REDIRECTS_MAX, repeat_safe,
  }, { within = options.within })
  if not answer then return nil, why, code end
  answer.ok = answer.status >= 200 and answer.status < 300
  if type(answer.body) == "string" and answer.body ~= "" and is_json(answer.headers) then
    answer.json = json.decode(answer.body)
  end
  return answer
end

local function verb(method)
  return function(url, options)
    local all = { url = url, method = method }
    for name, value in pairs(options or {}) do all[name] = value end
    return http.request(all)
  end
end

-- http.get(url, options) and so on: the same with this method.
http.get, http.head, http.post = verb "GET", verb "HEAD", verb "POST"
http.put, http.patch, http.delete = verb "PUT", verb "PATCH", verb "DELETE"

return http
