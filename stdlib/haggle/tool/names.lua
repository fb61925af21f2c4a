-- haggle.tool.names: globals and fields that are not there. For the program's own tools, not for
-- agents.
local resolve = require "haggle.tool.resolve"
local advice = require "haggle.tool.advice"

-- What the script itself makes global, in any of its files.
local function assigned_globals(units)
  local found = {}
  for _, unit in pairs(units) do
    for _, assign in ipairs(unit.assigns) do
      local target = assign.target
      if target.t == "name" and not target.var then found[target.name] = true end
      local path = target.t == "index" and resolve.path(target)
      if path and not path:find("[. ]") then found[path] = true end
    end
  end
  return found
end

local function unknown_global(check, unit, node, globals)
  local name = node.name
  if advice[name] then
    return check:report(unit, node.at, "error", "not-in-sandbox",
      ("agents have no '%s'"):format(name), advice[name])
  end
  if _G[name] ~= nil and not check.env.modules[name] then
    return check:report(unit, node.at, "error", "not-in-sandbox",
      ("agents have no '%s'"):format(name), "stdlib/README.md lists what a script finds around it")
  end
  local module = check.env.modules[name] and name
    or check.env.modules["haggle." .. name] and "haggle." .. name
  if module then
    return check:report(unit, node.at, "error", "unknown-global",
      ("there is no global '%s'"):format(name),
      ("begin the script with: local %s = require \"%s\""):format(name, module))
  end
  check:report(unit, node.at, "error", "unknown-global", ("there is no global '%s'"):format(name),
    check:did_you_mean(name, globals) or "declare it as a local, or correct its name")
end

local function written_global(check, unit, node)
  if check.env.globals[node.name] then
    check:report(unit, node.at, "error", "constant",
      ("'%s' belongs to the sandbox and cannot be replaced"):format(node.name),
      "choose another name, and declare it with local")
  elseif node.func.handler then
    check:report(unit, node.at, "error", "script-variable",
      ("'%s' is a script variable, and this handler writes it"):format(node.name),
      ("write state.%s, or declare it with local in the handler"):format(node.name))
  else
    check:report(unit, node.at, "warning", "global",
      ("'%s' becomes a global of the script and its modules"):format(node.name),
      "declare it with local")
  end
end

local function check_globals(check, unit, assigned)
  local globals = {}
  for name in pairs(check.env.globals) do globals[#globals + 1] = name end
  for name in pairs(assigned) do globals[#globals + 1] = name end
  for _, node in ipairs(unit.names) do
    if not node.var and not node.foreign and node.name ~= "_ENV" then
      if node.written then
        written_global(check, unit, node)
      elseif not check.env.globals[node.name] and not assigned[node.name] then
        unknown_global(check, unit, node, globals)
      end
    end
  end
end

-- The fields of what a path stands for: a library, or a module of the stdlib.
local function fields_of(check, path)
  if not path or path:find "^module " then return nil end
  local thing = check.env.modules[path] or check.env.globals[path]
  return thing and thing.fields
end

local function check_field(check, unit, node)
  local owner = resolve.path(node.object)
  local fields = node.key and owner ~= "_G" and fields_of(check, owner)
  if not fields then return end
  if node.written then
    return check:report(unit, node.key_at, "error", "constant",
      ("'%s' cannot be set: libraries are constant"):format(node.key), "use a local of your own")
  end
  if fields[node.key] then return end
  local full, names = owner .. "." .. node.key, {}
  for name in pairs(fields) do names[#names + 1] = name end
  if advice[full] then
    return check:report(unit, node.key_at, "error", "not-in-sandbox",
      ("agents have no '%s'"):format(full), advice[full])
  end
  table.sort(names)
  check:report(unit, node.key_at, "error", "unknown-field",
    ("there is no '%s' in %s"):format(node.key, owner),
    check:did_you_mean(node.key, names) or "it has " .. table.concat(names, ", "))
end

return function(check, units)
  local assigned = assigned_globals(units)
  for _, unit in pairs(units) do
    check_globals(check, unit, assigned)
    for _, node in ipairs(unit.indexes) do check_field(check, unit, node) end
    for _, call in ipairs(unit.calls) do
      local strings = check.env.globals.string.fields
      if call.object and call.object.t == "string" and not strings[call.method] then
        check:report(unit, call.key_at, "error", "unknown-field",
          ("texts have no method '%s'"):format(call.method), advice["string." .. call.method])
      end
    end
  end
end
