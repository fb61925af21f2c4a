-- haggle.tool.arguments: what calls are given: options that are not known, durations and message
-- types that are none, and what the operator has to grant. For the program's own tools, not for
-- agents.
local resolve = require "haggle.tool.resolve"
local sandbox = require "haggle.sandbox"
local types = require "haggle.tool.types"

local function check_duration(check, unit, node)
  local text = resolve.text(node)
  if not text then return end
  local ms, why = sandbox.duration(text)
  if ms then return end
  check:report(unit, node.at, "error", "duration", why,
    "as in \"250ms\", \"5s\", \"2m\", \"1h\" and \"30d\"; a number is milliseconds")
end

-- What an option's words say of it, as in: the model that decides ("market"); needs the grant
-- `infer=model`, where `model` is the option itself and "market" what it is when it is left out; or
-- in: a rule, or "model", which needs the grant `infer=market`. An agent goes on without it.
local function check_field_grant(check, unit, field, node, at)
  local kind, name = field.doc:match "needs the grant `(%w+)=([%w_.]+)`"
  if not kind then return end
  local word = field.doc:match '"([^"]*)", which needs the grant'
  local value
  if node then value = resolve.text(node) else value = field.doc:match '%("([^"]*)"%)' end
  if not value or word and value ~= word then return end
  check:needs(unit, at, kind, word and name or value, ('%s = "%s"'):format(field.name, value),
    "warning")
end

-- Options that are left out, of a table whose other names are known.
local function check_defaults(check, unit, node, class)
  local given = {}
  for _, item in ipairs(node.items) do
    if not item.key then return end
    given[item.key] = true
  end
  for name, field in pairs(class.fields) do
    if field.optional and not given[name] then
      check_field_grant(check, unit, field, nil, node.at)
    end
  end
end

local check_value

local function check_table(check, unit, node, class)
  local names = {}
  check_defaults(check, unit, node, class)
  for _, item in ipairs(node.items) do
    local field, open = types.field(check.types, class, item.key)
    if field then
      check_field_grant(check, unit, field, item.value, item.value.at)
      check_value(check, unit, item.value, field.type)
    elseif item.key and not open then
      for name in pairs(class.fields) do names[#names + 1] = name end
      table.sort(names)
      check:report(unit, item.at, "error", "unknown-option",
        ("there is no option '%s' here"):format(item.key),
        check:did_you_mean(item.key, names) or "known: " .. table.concat(names, ", "))
    end
  end
end

function check_value(check, unit, node, kind)
  if types.is_duration(check.types, kind) then check_duration(check, unit, node) end
  local class = node.t == "table" and types.class_of(check.types, kind)
  if class then check_table(check, unit, node, class) end
end

local function check_type(check, unit, node)
  local text = resolve.text(node)
  if not text then return end
  local protocol, why = sandbox.type(text)
  if protocol then return end
  check:report(unit, node.at, "error", "message-type", why,
    "a message type is protocol/version/performative, as in \"weather/1.0/request\"")
end

-- Grants -----------------------------------------------------------------------------------------

local PORTS = { http = 80, https = 443, ws = 80, wss = 443 }

-- What a grant is about; of a URL its host and port.
local function granted_value(kind, text)
  if kind ~= "net" then return text end
  local scheme, authority = text:match "^(%a+)://([^/?#]+)"
  if not scheme then return nil end
  authority = authority:gsub("^.*@", "")
  if authority:find ":%d+$" then return authority:lower() end
  local port = PORTS[scheme:lower()]
  return port and (authority .. ":" .. port):lower()
end

local function argument_named(known, call, name)
  local first, rest = name:match "^([%w_]+)%.?(.*)$"
  for i, param in ipairs(known.params) do
    local argument = call.args[i]
    if param.name == first and argument then
      if rest == "" then return argument end
      for _, item in ipairs(argument.items or {}) do
        if item.key == rest then return item.value end
      end
    end
  end
  return nil
end

local function check_grant(check, unit, call, known)
  local kind, name = known.doc:match "[Nn]eeds the grant `(%w+)=([%w_.]+)`"
  local argument = kind and argument_named(known, call, name)
  local text = argument and resolve.text(argument)
  local value = text and granted_value(kind, text)
  if value then check:needs(unit, argument.at, kind, value, known.name) end
end

-- The arguments of one call of a function that types knows.
local function check_call(check, unit, call, known)
  for i, param in ipairs(known.params) do
    local argument = call.args[i]
    if argument then
      check_value(check, unit, argument, param.type)
      if param.name == "type" then check_type(check, unit, argument) end
    end
  end
  check_grant(check, unit, call, known)
end

local function check_all(check, units)
  for _, unit in pairs(units) do
    for _, call in ipairs(unit.calls) do
      local known = call.fn and check.types.functions[resolve.path(call.fn) or false]
      if known then check_call(check, unit, call, known) end
    end
  end
end

return { all = check_all, call = check_call }
