-- haggle.tool.flow: what happens at the wrong place: effects at the top level, declarations in
-- handlers, script variables that handlers write, suspensions where nothing can wait. For the
-- program's own tools, not for agents.
local resolve = require "haggle.tool.resolve"

-- Which argument of a library function is a function that C calls, and which metamethods are.
local CALLBACKS = { ["table.sort"] = 2, ["string.gsub"] = 3 }
local METAMETHODS = { __tostring = true, __pairs = true }

-- Places ------------------------------------------------------------------------------------------

local function check_place(check, unit, call, path)
  local here = call.func
  if here == unit.main and check.env.effects[path] then
    check:report(unit, call.at, "error", "top-level",
      ("%s at the top level: a script only declares there"):format(path),
      "act in a handler: agent.on, agent.on_start, agent.on_timer or agent.every")
  elseif here.handler and check.env.declares[path] and path ~= "require" then
    check:report(unit, call.at, "error", "declared-late",
      ("%s in a handler: a script declares at its top level"):format(path),
      "move it out of the function")
  elseif here.handler and path == "require" then
    check:report(unit, call.at, "error", "declared-late",
      "require in a handler: it works only at the top level",
      "require it at the beginning of the script, into a local")
  elseif here ~= unit.main and path == "require" then
    local name = resolve.required(call)
    if name and check.ran and not check.loaded[name] then
      check:report(unit, call.at, "warning", "declared-late",
        "require in a function: it raises, unless the function is called at the top level",
        "require it at the beginning of the script, into a local")
    end
  end
end

-- Script variables -------------------------------------------------------------------------------

local function root_of(node)
  while node.t == "index" do node = node.object end
  return node
end

-- The variable of a table that the top level makes and handlers can only read, or nil.
local function script_table(node, with_metatable)
  local var = node.t == "name" and node.var
  if not var or var.func.handler or var.assigns > 0 or with_metatable[var] then return nil end
  return var.init and var.init.t == "table" and var or nil
end

local function report_table(check, unit, at, var)
  check:report(unit, at, "error", "script-variable",
    ("'%s' is a table of the script, and this handler writes to it"):format(var.name),
    ("keep it in state, as state.%s; or in cache, if it can be computed again"):format(var.name))
end

local function check_assign(check, unit, assign, with_metatable)
  local target = assign.target
  if not assign.func.handler then return end
  if target.t == "name" then
    local var = target.var
    if var and var.func ~= assign.func and not var.func.handler then
      check:report(unit, target.at, "error", "script-variable",
        ("'%s' is a script variable, and this handler writes it"):format(var.name),
        ("keep it in state, as state.%s; or declare a local in the handler"):format(var.name))
    end
    return
  end
  local var = script_table(root_of(target), with_metatable)
  if var then report_table(check, unit, target.at, var) end
end

local WRITES = { ["table.insert"] = true, ["table.remove"] = true, ["table.sort"] = true }

local function check_table_call(check, unit, call, path, with_metatable)
  if not WRITES[path] or not call.func.handler or not call.args[1] then return end
  local var = script_table(root_of(call.args[1]), with_metatable)
  if var then report_table(check, unit, call.at, var) end
end

local function tables_with_metatables(unit)
  local found = {}
  for _, call in ipairs(unit.calls) do
    local first = call.fn and resolve.path(call.fn) == "setmetatable" and call.args[1]
    if first and first.var then found[first.var] = true end
  end
  return found
end

-- Waiting ----------------------------------------------------------------------------------------

local function add(work, func, why)
  if func and not func.cannot_wait then
    func.cannot_wait = why
    work[#work + 1] = func
  end
end

-- Marks the functions in which nothing can wait: `cannot_wait` names who calls them.
local function mark_callbacks(units)
  local work = {}
  for _, unit in pairs(units) do
    for _, call in ipairs(unit.calls) do
      local path = call.fn and resolve.path(call.fn)
      if CALLBACKS[path] then add(work, resolve.func(call.args[CALLBACKS[path]]), path) end
      if call.method == "gsub" then add(work, resolve.func(call.args[2]), "gsub") end
    end
    for _, node in ipairs(unit.tables) do
      for _, item in ipairs(node.items) do
        if METAMETHODS[item.key] then add(work, resolve.func(item.value), item.key) end
      end
    end
  end
  local calls = {}
  for _, unit in pairs(units) do
    for _, call in ipairs(unit.calls) do
      calls[call.func] = calls[call.func] or {}
      table.insert(calls[call.func], call)
    end
  end
  while #work > 0 do
    local func = table.remove(work)
    for _, call in ipairs(calls[func] or {}) do
      if call.fn then add(work, resolve.func(call.fn), func.cannot_wait) end
    end
  end
end

local function check_wait(check, unit, call, path)
  local known = check.types.functions[path]
  if known and known.async and call.func.cannot_wait then
    check:report(unit, call.at, "error", "cannot-wait",
      ("%s cannot wait inside a function that %s calls"):format(path, call.func.cannot_wait),
      "wait before or after, and keep the result in a local")
  end
end

return function(check, units)
  mark_callbacks(units)
  for _, unit in pairs(units) do
    local with_metatable = tables_with_metatables(unit)
    for _, call in ipairs(unit.calls) do
      local path = call.fn and resolve.path(call.fn)
      if path then
        check_place(check, unit, call, path)
        check_table_call(check, unit, call, path, with_metatable)
        check_wait(check, unit, call, path)
      end
    end
    for _, assign in ipairs(unit.assigns) do check_assign(check, unit, assign, with_metatable) end
  end
end
