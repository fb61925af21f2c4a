-- haggle.tool.dialogue: what is said and heard, against the protocols and timers that the script
-- declared when it was run. For the program's own tools, not for agents.
local resolve = require "haggle.tool.resolve"
local arguments = require "haggle.tool.arguments"
local sandbox = require "haggle.sandbox"

local MESSAGE = "haggle.Message"

-- What was declared ------------------------------------------------------------------------------

-- A table, or nil for what is null.
local function present(value) return type(value) == "table" and value or nil end

local function set_of(list)
  local set = {}
  for _, item in ipairs(present(list) or {}) do set[item] = true end
  return set
end

-- { protocols = { "name/version" = messages }, handlers, timers, offers }, of the run.
local function declared_of(ran)
  local declared = { protocols = {}, handlers = {}, timers = {}, offers = {} }
  for _, entry in ipairs(ran.declared) do
    local kind, name, value = entry[1], entry[2], entry[3]
    if kind == "protocol" then
      local messages = {}
      for performative, rule in pairs(value.messages) do
        messages[performative] = { body = present(rule.body),
          opening = rule.opening == true,
          replies = set_of(rule.replies), follows = set_of(rule.follows) }
      end
      declared.protocols[value.name .. "/" .. value.version] = messages
    elseif kind == "handler" then
      declared.handlers[name] = true
    elseif kind == "on_timer" then
      declared.timers[name] = true
    elseif kind == "offer" then
      table.insert(declared.offers, value)
    end
  end
  return declared
end

local function keys(map)
  local list = {}
  for key in pairs(map) do list[#list + 1] = key end
  table.sort(list)
  return list
end

-- The declared messages of a type's protocol, its name, and the performative; nil: not declared.
local function messages_of(declared, text)
  local protocol, version, performative = sandbox.type(text or "")
  if not protocol then return nil end
  local name = protocol .. "/" .. version
  return declared.protocols[name], name, performative
end

-- What may be said next after `performative` was heard: its replies and what follows them. With
-- `later`, also what the dialogue may come to.
local function permitted_after(messages, performative, later)
  local found, work = {}, { performative }
  local heard = { [performative] = true }
  local function add(name)
    if not found[name] then
      found[name] = true
      work[#work + 1] = name
    end
  end
  while #work > 0 do
    local name = table.remove(work)
    local rule = messages[name]
    if rule and (heard[name] or later) then
      for reply in pairs(rule.replies) do add(reply) end
    end
    if rule and (not heard[name] or later) then
      for follow in pairs(rule.follows) do add(follow) end
    end
  end
  return found
end

-- Bodies -----------------------------------------------------------------------------------------

local LITERALS = {
  string = { string = true, did = true, any = true, bytes = false },
  number = { integer = true, number = true, any = true },
  table = { list = true, map = true, any = true, bytes = false },
  ["true"] = { boolean = true, any = true },
  ["false"] = { boolean = true, any = true },
}

local function check_body(check, unit, node, rule, what)
  if not node or node.t ~= "table" or not rule.body then return end
  local given, whole = {}, true
  for _, item in ipairs(node.items) do
    if not item.key then
      whole = false
    else
      given[item.key] = true
      local field = rule.body[item.key]
      local fits = LITERALS[item.value.t]
      if not field then
        check:report(unit, item.at, "error", "body",
          ("%s has no field '%s'"):format(what, item.key),
          check:did_you_mean(item.key, keys(rule.body))
            or "its body has " .. table.concat(keys(rule.body), ", "))
      elseif fits and not fits[field.type] then
        check:report(unit, item.value.at, "error", "body",
          ("'%s' of %s is declared as %s"):format(item.key, what, field.type),
          "correct the value, or the declaration")
      end
    end
  end
  if not whole then return end
  for _, name in ipairs(keys(rule.body)) do
    if not given[name] and not rule.body[name].optional then
      check:report(unit, node.at, "error", "body", ("%s needs the field '%s'"):format(what, name),
        ("add it, or declare it as optional: \"%s?\""):format(rule.body[name].type))
    end
  end
end

-- Saying -----------------------------------------------------------------------------------------

local function unknown_performative(check, unit, at, messages, protocol, performative)
  check:report(unit, at, "error", "performative",
    ("%s has no message '%s'"):format(protocol, performative),
    check:did_you_mean(performative, keys(messages))
      or "it has " .. table.concat(keys(messages), ", "))
end

local function check_handled(check, unit, at, said)
  local messages, protocol, performative = said.messages, said.protocol, said.performative
  for reply in pairs(messages[performative].replies) do
    if not check.declared.handlers[protocol .. "/" .. reply] then
      check:report(unit, at, "warning", "unhandled",
        ("'%s' may be answered with '%s', which nobody here handles"):format(performative, reply),
        ("add agent.on(\"%s/%s\", function(message) … end)"):format(protocol, reply))
    end
  end
end

-- agent.send and agent.ask: the type at one argument, the body behind it.
local function check_opening(check, unit, type_node, body_node, asks)
  local text = resolve.text(type_node)
  local messages, protocol, performative = messages_of(check.declared, text)
  if not messages then return end
  local rule = messages[performative]
  if not rule then
    return unknown_performative(check, unit, type_node.at, messages, protocol, performative)
  end
  if not rule.opening then
    local openings = {}
    for _, name in ipairs(keys(messages)) do
      if messages[name].opening then openings[#openings + 1] = name end
    end
    check:report(unit, type_node.at, "error", "opening",
      ("'%s' of %s cannot open a dialogue"):format(performative, protocol),
      #openings > 0 and "what can: " .. table.concat(openings, ", ")
        or "declare it with opening = true")
  end
  check_body(check, unit, body_node, rule, text)
  if not asks then
    check_handled(check, unit, type_node.at,
      { messages = messages, protocol = protocol, performative = performative })
  end
end

-- Whether a function or one in it waits: the dialogue may be elsewhere afterwards.
local function waiting_functions(check, unit)
  local waits = {}
  for _, call in ipairs(unit.calls) do
    local known = call.fn and check.types.functions[resolve.path(call.fn) or false]
    if known and known.async then
      local func = call.func
      while func do
        waits[func] = true
        func = func.parent
      end
    end
  end
  return waits
end

-- An answer to `heard`, the types of the messages that a handler takes.
local function check_reply(check, unit, heard, said, waits)
  local performative = resolve.text(said.performative)
  if not performative then return end
  local permitted, protocol, all = {}, nil, nil
  for _, text in ipairs(heard) do
    local messages, name, opener = messages_of(check.declared, text)
    if not messages then return end
    if all and all ~= messages then return end -- one handler of two protocols
    all, protocol = messages, name
    for allowed in pairs(permitted_after(messages, opener, waits)) do permitted[allowed] = true end
  end
  if not all[performative] then
    return unknown_performative(check, unit, said.performative.at, all, protocol, performative)
  end
  if not permitted[performative] then
    local names = keys(permitted)
    check:report(unit, said.performative.at, "error", "reply",
      ("'%s' is no answer to %s"):format(performative, table.concat(heard, " or ")),
      #names > 0 and "permitted: " .. table.concat(names, ", ")
        or "that message ends its dialogue: declare replies for it")
  end
  check_body(check, unit, said.body, all[performative], protocol .. "/" .. performative)
  check_handled(check, unit, said.performative.at,
    { messages = all, protocol = protocol, performative = performative })
end

-- Hearing ----------------------------------------------------------------------------------------

-- Parameters that are a handler's message → the types that it takes; and where types are handled.
-- The texts that name them are marked: nothing is said with those.
local function message_params(units)
  local params, sites = {}, {}
  for _, unit in pairs(units) do
    for _, call in ipairs(unit.calls) do
      local path = call.fn and resolve.path(call.fn)
      local func = path == "agent.on" and resolve.func(call.args[2])
      local text = path == "agent.on" and resolve.text(call.args[1])
      if text then
        sites[text] = { unit = unit, at = call.args[1].at }
        resolve.held(call.args[1]).heard = true
      end
      if func and func.params[1] and func.params[1].assigns == 0 then
        local types = params[func.params[1]] or {}
        params[func.params[1]] = types
        types[#types + 1] = text or "?"
      end
    end
  end
  return params, sites
end

local function names_of_message(check)
  local names = keys(check.types.classes[MESSAGE].fields)
  for full in pairs(check.types.functions) do
    names[#names + 1] = full:match("^" .. MESSAGE .. ":(.+)$")
  end
  return names
end

local function check_message_field(check, unit, node, name)
  local class = check.types.classes[MESSAGE]
  if class.fields[name] or check.types.functions[MESSAGE .. ":" .. name] then return true end
  local names = names_of_message(check)
  table.sort(names)
  check:report(unit, node.key_at, "error", "unknown-field",
    ("a message has no '%s'"):format(name),
    check:did_you_mean(name, names) or "it has " .. table.concat(names, ", "))
  return false
end

-- message.body.x, where the declared body has no x.
local function check_body_field(check, unit, node, params)
  local inner = node.object
  if inner.t ~= "index" or inner.key ~= "body" or not node.key or node.written then return end
  local heard = inner.object.t == "name" and params[inner.object.var]
  if not heard then return end
  local fields = {}
  for _, text in ipairs(heard) do
    local messages, _, performative = messages_of(check.declared, text)
    local rule = messages and messages[performative]
    if not rule or not rule.body then return end
    for name in pairs(rule.body) do fields[name] = true end
  end
  if fields[node.key] then return end
  check:report(unit, node.key_at, "warning", "body",
    ("%s has no field '%s': this is always nil"):format(table.concat(heard, " and "), node.key),
    check:did_you_mean(node.key, keys(fields)))
end

local function check_handlers(check, sites)
  local undeclared = {}
  for _, text in ipairs(keys(sites)) do
    local site = sites[text]
    local messages, protocol, performative = messages_of(check.declared, text)
    if messages and not messages[performative] then
      unknown_performative(check, site.unit, site.at, messages, protocol, performative)
    elseif protocol and not messages and not undeclared[protocol] then
      undeclared[protocol] = true
      check:report(site.unit, site.at, "note", "undeclared",
        ("%s is not declared: its bodies are not checked"):format(protocol),
        "declare it with agent.protocol, in a module if both sides are yours")
    end
  end
end

-- Declared and not used --------------------------------------------------------------------------

-- The literal definitions of protocols: { node, unit, name =, messages = item's table }.
local function definitions(units)
  local found = {}
  for _, unit in pairs(units) do
    for _, node in ipairs(unit.tables) do
      local parts = {}
      for _, item in ipairs(node.items) do
        if item.key then parts[item.key] = item.value end
      end
      local name, version = resolve.text(parts.name), resolve.text(parts.version)
      if name and version and parts.messages and parts.messages.t == "table" then
        found[#found + 1] = { unit = unit, node = node, messages = parts.messages,
          protocol = name .. "/" .. version }
      end
    end
  end
  return found
end

-- Every text of the script outside of the definitions: what is said is said with one of them.
local function spoken(units, defined)
  local texts = {}
  for _, unit in pairs(units) do
    for _, node in ipairs(unit.strings) do
      local within = false
      for _, definition in ipairs(defined) do
        within = within or definition.unit == unit and node.at > definition.node.at
          and node.at < definition.node.stop
      end
      if not within and not node.heard and node.value then texts[node.value] = true end
    end
  end
  return texts
end

-- An answer to what is asked is heard by who asks.
local function heard_by_asking(messages, protocol, texts)
  local heard = {}
  for performative, rule in pairs(messages) do
    if texts[protocol .. "/" .. performative] then
      for reply in pairs(rule.replies) do heard[reply] = true end
    end
  end
  return heard
end

local function check_unused(check, units)
  local defined = definitions(units)
  local texts = spoken(units, defined)
  for _, definition in ipairs(defined) do
    local messages = check.declared.protocols[definition.protocol]
    local asked = messages and heard_by_asking(messages, definition.protocol, texts)
    for _, item in ipairs(messages and definition.messages.items or {}) do
      local full = definition.protocol .. "/" .. (item.key or "")
      if item.key and messages[item.key] and not check.declared.handlers[full]
        and not texts[item.key] and not texts[full] and not asked[item.key] then
        check:report(definition.unit, item.at, "note", "unused",
          ("'%s' is declared, but neither handled nor said here"):format(item.key),
          "that is as it should be where only the other side does")
      end
    end
  end
end

local function check_offers(check, units)
  local handled = {}
  for text in pairs(check.declared.handlers) do
    local _, name = messages_of(check.declared, text)
    if name then handled[name] = true end
  end
  for _, unit in pairs(units) do
    for _, call in ipairs(unit.calls) do
      local offer = call.fn and resolve.path(call.fn) == "agent.offer" and call.args[1]
      for _, item in ipairs(offer and offer.items or {}) do
        local protocol = item.key == "protocol" and resolve.text(item.value)
        if protocol and not check.declared.protocols[protocol] and not handled[protocol] then
          check:report(unit, item.value.at, "warning", "undeclared",
            ("%s is offered, but neither declared nor handled"):format(protocol),
            check:did_you_mean(protocol, keys(check.declared.protocols))
              or "declare it with agent.protocol, or handle its messages with agent.on")
        end
      end
    end
  end
end

-- Timers -----------------------------------------------------------------------------------------

local TIMERS = { ["agent.after"] = "error", ["agent.continue"] = "error",
  ["agent.cancel"] = "warning" }

local function check_timer(check, unit, call, path)
  local name = TIMERS[path] and resolve.text(call.args[1])
  if not name or check.declared.timers[name] then return end
  check:report(unit, call.args[1].at, TIMERS[path], "timer",
    ("no timer is named '%s'"):format(name),
    check:did_you_mean(name, keys(check.declared.timers))
      or ("add agent.on_timer(\"%s\", function(value) … end)"):format(name))
end

-- All of it --------------------------------------------------------------------------------------

local function check_ask_all(check, unit, call)
  for _, item in ipairs(call.args[1] and call.args[1].items or {}) do
    local question = item.value
    if question.t == "table" and question.items[2] then
      check_opening(check, unit, question.items[2].value,
        question.items[3] and question.items[3].value, true)
    end
  end
end

local function check_message_call(check, unit, call, params, waits)
  local heard = call.object.t == "name" and params[call.object.var]
  if not heard or not check_message_field(check, unit, call, call.method) then return end
  arguments.call(check, unit, call, check.types.functions[MESSAGE .. ":" .. call.method])
  if call.method == "reply" and call.args[1] and check.declared then
    check_reply(check, unit, heard, { performative = call.args[1], body = call.args[2] },
      waits[call.func])
  end
end

local function check_call(check, unit, call, path, params, waits)
  if path == "agent.send" or path == "agent.ask" then
    if call.args[2] then
      check_opening(check, unit, call.args[2], call.args[3], path == "agent.ask")
    end
  elseif path == "agent.ask_all" then
    check_ask_all(check, unit, call)
  elseif path == "agent.reply" then
    local heard = call.args[1] and call.args[1].t == "name" and params[call.args[1].var]
    if heard and call.args[2] then
      check_reply(check, unit, heard, { performative = call.args[2], body = call.args[3] },
        waits[call.func])
    end
  end
  check_timer(check, unit, call, path)
end

return function(check, units, ran)
  check.declared = ran and declared_of(ran)
  local params, sites = message_params(units)
  for _, unit in pairs(units) do
    local waits = waiting_functions(check, unit)
    for _, call in ipairs(unit.calls) do
      if call.object then
        check_message_call(check, unit, call, params, waits)
      elseif check.declared then
        local path = resolve.path(call.fn)
        if path then check_call(check, unit, call, path, params, waits) end
      end
    end
    for _, node in ipairs(unit.indexes) do
      local heard = node.key and node.object.t == "name" and params[node.object.var]
      if heard then check_message_field(check, unit, node, node.key) end
      if check.declared then check_body_field(check, unit, node, params) end
    end
  end
  if not check.declared then return end
  check_handlers(check, sites)
  check_offers(check, units)
  check_unused(check, units)
end
