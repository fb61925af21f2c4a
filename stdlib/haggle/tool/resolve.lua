-- haggle.tool.resolve: what the expressions of a unit stand for, and which of its functions run as
-- handlers. For the program's own tools, not for agents.
--
--   resolve.path(node)       "agent.ask" for agent.ask, or for `ask` after `local ask = agent.ask`;
--                            "haggle.market.sell" for a field of what `require` gave; else nil
--   resolve.text(node)       the text that a literal, or a local that holds one, is; else nil
--   resolve.func(node)       the function that it is, when that is certain; else nil
--   resolve.handlers(units)  marks functions (`handler = true`) that handlers are or call
local resolve = {}

local STEPS_MAX = 50 -- of locals that stand for one another
local KEYS_MAX = 6 -- of a path

-- What a variable holds, if that is what it was given first and nothing else.
local function held(node)
  for _ = 1, STEPS_MAX do
    if node.t ~= "name" or not node.var then return node end
    local var = node.var
    if var.assigns > 0 or not var.init then return node end
    node = var.init
  end
  return node
end
resolve.held = held

function resolve.text(node)
  node = node and held(node)
  return node and node.t == "string" and node.value or nil
end

function resolve.func(node)
  node = node and held(node)
  return node and node.t == "function" and node or nil
end

local function is_global(node, name)
  return node.t == "name" and not node.var and not node.foreign and node.name == name
end

-- The module that a call of require names, or nil.
function resolve.required(node)
  if node.t == "call" and node.fn and is_global(node.fn, "require") and node.args[1] then
    return resolve.text(node.args[1])
  end
  return nil
end

local function find_path(node)
  local keys = {}
  node = held(node)
  while node.t == "index" do
    if not node.key or #keys == KEYS_MAX then return nil end
    keys[#keys + 1] = node.key
    node = held(node.object)
  end
  local root
  if node.t == "name" and not node.var and not node.foreign then
    root = node.name
    if root == "_G" and #keys > 0 then root = table.remove(keys) end
  else
    root = resolve.required(node)
    if not root then return nil end
    if not root:find "^haggle" then root = "module " .. root end
  end
  for i = #keys, 1, -1 do root = root .. "." .. keys[i] end
  return root
end

function resolve.path(node)
  if node.path == nil then node.path = find_path(node) or false end
  return node.path or nil
end

-- Handlers ---------------------------------------------------------------------------------------

local function add(work, func)
  if func and not func.handler then
    func.handler = true
    work[#work + 1] = func
  end
end

-- Functions in a table, as in market.sell { deliver = function … end }, at any depth.
local function add_table(work, node, depth)
  for _, item in ipairs(node.items) do
    local value = held(item.value)
    if value.t == "function" then add(work, value) end
    if value.t == "table" and depth < 10 then add_table(work, value, depth + 1) end
  end
end

-- A function that is handed to what declares runs later, in a handler.
local function add_arguments(work, call)
  for _, argument in ipairs(call.args) do
    local value = held(argument)
    if value.t == "function" then add(work, value) end
    if value.t == "table" then add_table(work, value, 1) end
  end
end

-- "M.name" of a table that a unit returns → the function.
local function exports_of(unit)
  local exports, result = {}, unit.result
  if not result then return exports end
  if result.t == "function" then exports[""] = result end
  local value = held(result)
  if value.t == "table" then
    for _, item in ipairs(value.items) do
      if item.key then exports[item.key] = resolve.func(item.value) end
    end
  end
  if result.t == "name" and result.var then
    for _, assign in ipairs(unit.assigns) do
      local target = assign.target
      local is_field = target.t == "index" and target.object.var == result.var
      if is_field and target.key and assign.value then
        exports[target.key] = resolve.func(assign.value)
      end
    end
  end
  return exports
end

local function group(list, by)
  local groups = {}
  for _, item in ipairs(list) do
    local key = by(item)
    if key then
      groups[key] = groups[key] or {}
      table.insert(groups[key], item)
    end
  end
  return groups
end

-- units: module name → unit, the script's own under "". What is handed to a function of the host
-- or of a stdlib module at the top level is a handler; so is what a handler contains or refers to.
function resolve.handlers(units, declares)
  local work, exports, fields = {}, {}, {}
  for name, unit in pairs(units) do
    exports[name] = exports_of(unit)
    unit.by_func = group(unit.names, function(node) return node.func end)
    unit.indexes_by_func = group(unit.indexes, function(node) return node.func end)
    unit.inner = group(unit.functions, function(func) return func.parent end)
    fields[unit] = {} -- var → key → function
    for _, assign in ipairs(unit.assigns) do
      local target, var = assign.target, assign.target.t == "index" and assign.target.object.var
      if var and target.key and assign.value then
        fields[unit][var] = fields[unit][var] or {}
        fields[unit][var][target.key] = resolve.func(assign.value)
      end
    end
    for _, call in ipairs(unit.calls) do
      local path = call.fn and resolve.path(call.fn)
      if path and (declares[path] or path:find "^haggle%.") then add_arguments(work, call) end
    end
    for _, func in ipairs(unit.functions) do func.unit = unit end
  end
  while #work > 0 do
    local func = table.remove(work)
    local unit = func.unit
    for _, inner in ipairs(unit.inner[func] or {}) do add(work, inner) end
    for _, name in ipairs(unit.by_func[func] or {}) do add(work, resolve.func(name)) end
    for _, index in ipairs(unit.indexes_by_func[func] or {}) do
      local known = index.object.var and fields[unit][index.object.var]
      if known and index.key then add(work, known[index.key]) end
      local module = resolve.path(index)
      local name, key = (module or ""):match "^module (.-)%.([%w_]+)$"
      if name and exports[name] then add(work, exports[name][key]) end
    end
  end
end

return resolve
