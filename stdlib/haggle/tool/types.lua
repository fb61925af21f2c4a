-- haggle.tool.types: reads the annotations of stdlib/types, which say what functions take. For the
-- program's own tools, not for agents; tests compare the annotations with what is really there.
--
--   local types = require "haggle.tool.types"
--   local known = types.read { ["agent.lua"] = text, … }
--   known.functions["agent.ask"].params[4]
--     --> { name = "options", type = "haggle.AskOptions", optional = true }
--   known.classes["haggle.AskOptions"].fields.within.type     --> "haggle.Duration"
--
-- A function is named as a script writes it ("agent.ask", "haggle.now", "haggle.market.sell"), a
-- method of a class by the class ("haggle.Message:reply").
local types = {}

-- The type at the beginning of `text`, and what follows it.
local function split_type(text)
  local depth, at = 0, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c:find "[%(%[{<]" then
      depth = depth + 1
    elseif c:find "[%)%]}>]" then
      depth = depth - 1
    elseif c == " " and depth == 0 then
      local before, after = text:sub(at - 1, at - 1), text:match("^ +([^ ])", at)
      if before ~= ":" and before ~= "," and after ~= "|" and after ~= ":" then break end
    end
    at = at + 1
  end
  return text:sub(1, at - 1), text:sub(at + 1)
end

local function field_of(text)
  local key, rest = text:match "^%[(.-)%] +(.*)$"
  if key then return nil, { open = true, type = split_type(rest) } end
  local name, optional
  name, optional, rest = text:match "^([%w_]+)(%??) +(.*)$"
  local kind, doc = split_type(rest)
  return name, { name = name, optional = optional == "?", type = kind, doc = doc }
end

local function param_of(text)
  local name, optional, rest = text:match "^([%w_.]+)(%??) +(.*)$"
  local kind, doc = split_type(rest)
  return { name = name, optional = optional == "?", type = kind, doc = doc }
end

local Reader = {}
Reader.__index = Reader

local tags = {}

function tags.meta(reader, text) reader.module = text ~= "" and text or nil end

function tags.class(reader, text)
  local name, parent = text:match "^([%w_.]+)%s*:%s*([%w_.]+)"
  name = name or text:match "^[%w_.]+"
  reader.class = { name = name, parent = parent, fields = {}, doc = reader:words() }
  reader.known.classes[name] = reader.class
end

function tags.field(reader, text)
  local name, field = field_of(text)
  if name then
    reader.class.fields[name] = field
  else
    reader.class.open = true
  end
end

function tags.alias(reader, text)
  local name, rest = text:match "^([%w_.]+)%s+(.*)$"
  reader.known.aliases[name] = rest
end

function tags.param(reader, text)
  reader.params[#reader.params + 1] = param_of(text)
end

tags["return"] = function(reader, text) reader.returns[#reader.returns + 1] = text end
tags.overload = function(reader, text) reader.overloads[#reader.overloads + 1] = text end
function tags.async(reader) reader.async = true end
function tags.type() end
function tags.generic() end
function tags.operator() end

function Reader:begin()
  self.text, self.params, self.returns, self.overloads, self.async = {}, {}, {}, {}, false
end

function Reader:words() return table.concat(self.text, " ") end

-- "function X.y(a, b) end", "X = {}", "local X = {}": what the lines above it are about.
function Reader:statement(line)
  local owner, mark, name, list = line:match "^function ([%w_.]+)([.:])([%w_]+)%((.-)%)"
  if owner then
    local module, class = self.module and self.locals[owner] == "module", self.locals[owner]
    local full = (module and self.module or mark == ":" and class or owner) .. mark .. name
    local names = {}
    for parameter in list:gmatch "[^, ]+" do names[#names + 1] = parameter end
    self.known.functions[full] = { name = full, params = self.params, names = names,
      returns = self.returns, overloads = self.overloads, async = self.async, doc = self:words(),
      file = self.file }
  else
    local variable = line:match "^local ([%w_]+) = {}"
    local global = line:match "^([%w_]+) = {}"
    if variable then
      local is_module = self.module and not next(self.locals)
      self.locals[variable] = is_module and "module" or self.class and self.class.name
      if is_module then self.known.modules[self.module] = self.class or { fields = {} } end
    elseif global then
      self.known.globals[global] = self.class or { fields = {}, open = true }
    end
  end
  self.class = nil
end

function Reader:line(line)
  local tag, rest = line:match "^%-%-%-@(%w+) ?(.*)$"
  if tag then
    local read = tags[tag]
    if not read then error(("%s: unknown tag @%s"):format(self.file, tag), 0) end
    read(self, rest)
  elseif line:find "^%-%-%-" then
    self.text[#self.text + 1] = line:sub(4)
  elseif line:find "%S" then
    self:statement(line)
    self:begin()
  else
    self:begin()
    self.class = nil
  end
end

-- files: name → text.
function types.read(files)
  local known = { classes = {}, functions = {}, aliases = {}, globals = {}, modules = {} }
  local names = {}
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local reader = setmetatable({ known = known, locals = {}, file = name }, Reader)
    reader:begin()
    for line in (files[name] .. "\n"):gmatch "(.-)\r?\n" do reader:line(line) end
  end
  return known
end

-- The parts of a union: "string|integer" → { "string", "integer" }.
function types.parts(known, kind)
  local parts, depth, from = {}, 0, 1
  kind = known.aliases[kind] or kind
  for at = 1, #kind + 1 do
    local c = kind:sub(at, at)
    if c:find "[%(%[{<]" then depth = depth + 1 end
    if c:find "[%)%]}>]" then depth = depth - 1 end
    if c == "" or c == "|" and depth == 0 then
      parts[#parts + 1] = kind:sub(from, at - 1)
      from = at + 1
    end
  end
  return parts
end

-- The class that a table must be of, where this type is expected; nil when it may be another.
function types.class_of(known, kind)
  local found
  for _, part in ipairs(types.parts(known, kind)) do
    if part:find "^table" or part:find "%[%]$" or part == "any" then return nil end
    if known.classes[part] then
      if found then return nil end
      found = known.classes[part]
    end
  end
  return found
end

function types.is_duration(known, kind)
  for _, part in ipairs { kind, table.unpack(types.parts(known, kind)) } do
    if part == "haggle.Duration" then return true end
  end
  return false
end

-- A field of a class or of what it inherits from; nil, and whether any field is allowed.
function types.field(known, class, name)
  local open = false
  while class do
    if class.fields[name] then return class.fields[name] end
    open = open or class.open
    class = class.parent and known.classes[class.parent]
  end
  return nil, open
end

return types
