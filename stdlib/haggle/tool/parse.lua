-- haggle.tool.parse: what a Lua 5.4 text consists of, with scopes and positions. For the program's
-- own tools, not for agents.
--
--   local unit = parse 'local a = 1; print(a)'
--   unit.calls[1].fn.name        --> "print", whose `var` is nil: a global
--   unit.calls[1].args[1].var    --> the same table as the local's
--
-- Instead of a tree to walk through, a unit holds a list of each thing that a rule asks for, in the
-- order of the text: `functions` (the main chunk first), `calls`, `names` (each use of a variable),
-- `indexes`, `assigns`, `tables`, `strings`. Everything has `at` (bytes from 1), and most `func`,
-- the function it stands in. So nothing here or in a rule is as deep as an expression is long.
--
--   function  { t = "function", at, parent, params = { var… }, depth }
--   var       { name, at, func, init = (its first value), assigns = how often it is assigned later,
--               param = (number) }
--   name      { t = "name", name, at, func, var = (nil: a global), written = boolean }
--   index     { t = "index", object, key = (text, when it is known) or computed, at, key_at }
--   call      { t = "call", fn = or object = and method =, args, at, stop = (its last byte) }
--   table     { t = "table", items = { { key =, computed =, value =, at = }… }, stop }
--   string    { t = "string", value }     number, and { t = "other" } for everything else
--   assign    { target = name or index, value = (nil: one of several results), at, func }
local lex = require "haggle.tool.lex"

local DEPTH_MAX = 200 -- as in Lua itself (LUAI_MAXCCALLS)
local LOCALS_MAX = 200
local LEFT = {
  ["or"] = 1, ["and"] = 2, ["<"] = 3, [">"] = 3, ["<="] = 3, [">="] = 3, ["~="] = 3, ["=="] = 3,
  ["|"] = 4, ["~"] = 5, ["&"] = 6, ["<<"] = 7, [">>"] = 7, [".."] = 9, ["+"] = 10, ["-"] = 10,
  ["*"] = 11, ["/"] = 11, ["//"] = 11, ["%"] = 11, ["^"] = 14,
}
local RIGHT = setmetatable({ [".."] = 8, ["^"] = 13 }, { __index = LEFT })
local UNARY = { ["not"] = 12, ["-"] = 12, ["~"] = 12, ["#"] = 12 }
local BLOCK_ENDS = {
  ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true, ["end of file"] = true,
}

local Parser = {}
Parser.__index = Parser

local function fail(parser, what)
  error({ why = what, at = parser.at[parser.i] }, 0)
end

function Parser:is(kind) return self.kind[self.i] == kind end

function Parser:take(kind)
  if self.kind[self.i] ~= kind then return false end
  self.i = self.i + 1
  return true
end

function Parser:need(kind)
  local i = self.i
  if self.kind[i] ~= kind then fail(self, "'" .. kind .. "' is expected here") end
  self.i = i + 1
  return i
end

function Parser:text(i) return self.source:sub(self.at[i], self.stop[i]) end

function Parser:enter()
  self.depth = self.depth + 1
  if self.depth > DEPTH_MAX then fail(self, "nested too deep") end
end

function Parser:leave() self.depth = self.depth - 1 end

-- Scopes -----------------------------------------------------------------------------------------

function Parser:open() self.scope = { outer = self.scope } end

function Parser:close() self.scope = self.scope.outer end

function Parser:declare(name, at, init)
  local var = { name = name, at = at, func = self.func, init = init, assigns = 0 }
  self.scope[#self.scope + 1] = var
  if #self.scope > LOCALS_MAX then fail(self, "too many local variables") end
  return var
end

function Parser:find(name)
  local scope = self.scope
  while scope do
    for i = #scope, 1, -1 do
      if scope[i].name == name then return scope[i] end
    end
    scope = scope.outer
  end
  return nil
end

function Parser:name(i)
  local node = { t = "name", name = self:text(i), at = self.at[i], func = self.func }
  node.var = self:find(node.name)
  if not node.var then node.foreign = self:find "_ENV" ~= nil end
  self.unit.names[#self.unit.names + 1] = node
  return node
end

-- Expressions ------------------------------------------------------------------------------------

-- The text of a literal: escapes are left to Lua.
local function string_value(raw)
  if raw:find "^[\"'][^\\]*$" then return raw:sub(2, -2) end
  local chunk = load("return " .. raw, "=string", "t", {})
  return chunk and chunk() or nil
end

function Parser:index(object, at, key_at, key, computed)
  local node = { t = "index", object = object, key = key, computed = computed, at = at,
    key_at = key_at, func = self.func }
  if computed and computed.t == "string" then node.key = computed.value end
  self.unit.indexes[#self.unit.indexes + 1] = node
  return node
end

function Parser:table()
  local node, items = { t = "table", at = self.at[self.i] }, {}
  self:need "{"
  while not self:is "}" do
    local item = { at = self.at[self.i] }
    if self:take "[" then
      item.computed = self:expression()
      if item.computed.t == "string" then item.key = item.computed.value end
      self:need "]"
      self:need "="
    elseif self:is "name" and self.kind[self.i + 1] == "=" then
      item.key = self:text(self.i)
      self.i = self.i + 2
    end
    item.value = self:expression()
    items[#items + 1] = item
    if not self:take "," and not self:take ";" then break end
  end
  node.stop = self.at[self:need "}"]
  node.items = items
  self.unit.tables[#self.unit.tables + 1] = node
  return node
end

function Parser:arguments()
  local at, args = self.at[self.i], {}
  if self:is "string" or self:is "{" then
    args[1] = self:simple()
    return args
  end
  self:need "("
  if not self:is ")" then args = self:expressions() end
  if not self:take ")" then error({ why = "'(' is not closed", at = at }, 0) end
  return args
end

function Parser:call(node)
  node.t, node.func = "call", self.func
  node.args = self:arguments()
  node.stop = self.stop[self.i - 1]
  self.unit.calls[#self.unit.calls + 1] = node
  return node
end

function Parser:suffixed()
  local i, node = self.i, nil
  if self:take "(" then
    node = self:expression()
    self:need ")"
    if node.t ~= "function" and node.t ~= "name" and node.t ~= "index" and node.t ~= "string" then
      node = { t = "other", at = self.at[i], inner = node }
    end
  elseif self:is "name" then
    self.i = i + 1
    node = self:name(i)
  else
    fail(self, "an expression is expected here")
  end
  while true do
    local kind, at = self.kind[self.i], self.at[self.i]
    if kind == "." then
      self.i = self.i + 1
      local key = self:need "name"
      node = self:index(node, node.at, self.at[key], self:text(key))
    elseif kind == "[" then
      self.i = self.i + 1
      local computed = self:expression()
      self:need "]"
      node = self:index(node, node.at, at + 1, nil, computed)
    elseif kind == ":" then
      self.i = self.i + 1
      local method = self:need "name"
      node = self:call { object = node, method = self:text(method), at = node.at,
        key_at = self.at[method] }
    elseif kind == "(" or kind == "{" or kind == "string" then
      node = self:call { fn = node, at = node.at }
    else
      return node
    end
  end
end

function Parser:simple()
  local i = self.i
  local kind, at = self.kind[i], self.at[i]
  if kind == "string" then
    self.i = i + 1
    local node = { t = "string", at = at, value = string_value(self:text(i)) }
    self.unit.strings[#self.unit.strings + 1] = node
    return node
  elseif kind == "number" then
    self.i = i + 1
    return { t = "number", at = at, value = tonumber(self:text(i)) }
  elseif kind == "nil" or kind == "true" or kind == "false" or kind == "..." then
    self.i = i + 1
    return { t = kind == "..." and "other" or kind, at = at }
  elseif kind == "{" then
    return self:table()
  elseif kind == "function" then
    self.i = i + 1
    return self:body(at)
  end
  return self:suffixed()
end

function Parser:expression(limit)
  self:enter()
  local node
  local kind, at = self.kind[self.i], self.at[self.i]
  if UNARY[kind] then
    self.i = self.i + 1
    local operand = self:expression(UNARY[kind])
    node = { t = "other", at = at, operator = kind, inner = operand }
  else
    node = self:simple()
  end
  while true do
    local operator = self.kind[self.i]
    local left = LEFT[operator]
    if not left or left <= (limit or 0) then break end
    self.i = self.i + 1
    local right = self:expression(RIGHT[operator])
    node = { t = "other", at = node.at, operator = operator, left = node, right = right }
  end
  self:leave()
  return node
end

function Parser:expressions()
  local list = { self:expression() }
  while self:take "," do list[#list + 1] = self:expression() end
  return list
end

-- Parameters and block of a function whose keyword stands at `at`.
function Parser:body(at, is_method)
  local outer = self.func
  local func = { t = "function", at = at, parent = outer, params = {}, depth = outer.depth + 1 }
  self.unit.functions[#self.unit.functions + 1] = func
  self.func = func
  self:open()
  local function parameter(name, place)
    local var = self:declare(name, place)
    func.params[#func.params + 1] = var
    var.param = #func.params
  end
  if is_method then parameter("self", at) end
  self:need "("
  while not self:is ")" do
    if self:take "..." then
      func.vararg = true
      break
    end
    local name = self:need "name"
    parameter(self:text(name), self.at[name])
    if not self:take "," then break end
  end
  self:need ")"
  self:block()
  self:need "end"
  self:close()
  self.func = outer
  return func
end

-- Statements -------------------------------------------------------------------------------------

function Parser:assign(target, value)
  if target.t == "name" then
    target.written = true
    if target.var then target.var.assigns = target.var.assigns + 1 end
  elseif target.t ~= "index" then
    fail(self, "this cannot be assigned to")
  else
    target.written = true
  end
  local assigns = self.unit.assigns
  assigns[#assigns + 1] = { target = target, value = value, at = target.at, func = self.func }
end

function Parser:scoped_block()
  self:open()
  self:block()
  self:close()
end

local statements = {}

statements["if"] = function(parser)
  repeat
    parser:expression()
    parser:need "then"
    parser:scoped_block()
  until not parser:take "elseif"
  if parser:take "else" then parser:scoped_block() end
  parser:need "end"
end

statements["while"] = function(parser)
  parser:expression()
  parser:need "do"
  parser:scoped_block()
  parser:need "end"
end

statements["do"] = function(parser)
  parser:scoped_block()
  parser:need "end"
end

statements["for"] = function(parser)
  local names = { parser:need "name" }
  while parser:take "," do names[#names + 1] = parser:need "name" end
  parser:need(#names == 1 and parser:is "=" and "=" or "in")
  parser:expressions()
  parser:need "do"
  parser:open()
  for _, name in ipairs(names) do parser:declare(parser:text(name), parser.at[name]) end
  parser:scoped_block()
  parser:close()
  parser:need "end"
end

statements["repeat"] = function(parser)
  parser:open()
  parser:block()
  parser:need "until"
  parser:expression()
  parser:close()
end

statements["function"] = function(parser)
  local at, is_method = parser.at[parser.i - 1], false
  local target = parser:name(parser:need "name")
  while parser:is "." or parser:is ":" do
    is_method = parser:is ":"
    parser.i = parser.i + 1
    local key = parser:need "name"
    target = parser:index(target, target.at, parser.at[key], parser:text(key))
    if is_method then break end
  end
  parser:assign(target, parser:body(at, is_method))
end

statements["goto"] = function(parser) parser:need "name" end

statements["::"] = function(parser)
  parser:need "name"
  parser:need "::"
end

statements["break"] = function() end
statements[";"] = function() end

local function local_function(parser)
  local at, name = parser.at[parser.i - 1], parser:need "name"
  local var = parser:declare(parser:text(name), parser.at[name])
  var.init = parser:body(at)
end

statements["local"] = function(parser)
  if parser:take "function" then return local_function(parser) end
  local names, values = {}, {}
  repeat
    names[#names + 1] = parser:need "name"
    if parser:take "<" then
      parser:need "name"
      parser:need ">"
    end
  until not parser:take ","
  if parser:take "=" then values = parser:expressions() end
  for i, name in ipairs(names) do
    local value = values[i] or i > #values and #values > 0 and { t = "other" } or nil
    if i >= #values and value and value.t == "call" and i ~= #names then value = { t = "other" } end
    parser:declare(parser:text(name), parser.at[name], value or { t = "nil" })
  end
end

statements["return"] = function(parser)
  local list, following = {}, parser.kind[parser.i]
  if not BLOCK_ENDS[following] and following ~= ";" then list = parser:expressions() end
  parser:take ";"
  if not BLOCK_ENDS[parser.kind[parser.i]] then fail(parser, "'return' ends its block") end
  if parser.func.depth == 0 then parser.unit.result = list[1] end
end

local function expression_statement(parser)
  local node = parser:suffixed()
  if not parser:is "=" and not parser:is "," then
    if node.t ~= "call" then fail(parser, "a statement is expected here") end
    node.statement = true
    return
  end
  local targets = { node }
  while parser:take "," do targets[#targets + 1] = parser:suffixed() end
  parser:need "="
  local values = parser:expressions()
  for i, target in ipairs(targets) do
    local value = values[i]
    if i == #values and i < #targets then value = nil end
    parser:assign(target, value)
  end
end

function Parser:block()
  self:enter()
  while not BLOCK_ENDS[self.kind[self.i]] do
    local statement = statements[self.kind[self.i]]
    if statement then
      local is_last = self:is "return"
      self.i = self.i + 1
      statement(self)
      if is_last then break end
    else
      expression_statement(self)
    end
  end
  self:leave()
end

-- The unit, or nil, what is wrong, and where (in bytes). What Lua itself refuses for another reason
-- (a label that is not there, an assignment to a constant) is not found here.
return function(source)
  local tokens, why, at = lex(source)
  if not tokens then return nil, why, at end
  local main = { t = "function", at = 1, params = {}, depth = 0, vararg = true }
  local unit = { source = source, functions = { main }, calls = {}, names = {}, indexes = {},
    assigns = {}, tables = {}, strings = {}, main = main }
  local parser = setmetatable({ source = source, unit = unit, func = main, depth = 0, i = 1,
    kind = tokens.kind, at = tokens.at, stop = tokens.stop }, Parser)
  parser:open()
  local ok, problem = pcall(function()
    parser:block()
    parser:need "end of file"
  end)
  if ok then return unit end
  if type(problem) ~= "table" then error(problem, 0) end
  return nil, problem.why, problem.at
end
