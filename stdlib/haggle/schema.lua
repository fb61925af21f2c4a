-- haggle.schema: whether a value is what a JSON schema says.
--
--   local schema = require "haggle.schema"
--   local ok, why = schema.check(answer, {
--     type = "object", required = { "price" },
--     properties = { price = { type = "integer", minimum = 0 }, note = { type = "string" } },
--   })
--   -- nil, "price: expected an integer, got text"
--
-- The keywords are those of JSON Schema 2020-12 that need no regular expressions:
--   type (a name or a list of names), enum, const
--   properties, required, additionalProperties, minProperties, maxProperties
--   items, prefixItems, minItems, maxItems, uniqueItems
--   minLength, maxLength (in characters), minimum, maximum, exclusiveMinimum, exclusiveMaximum
--   anyOf, oneOf, allOf, not, $ref ("#" and "#/$defs/NAME"), $defs
-- title, description, default, examples, format, $schema, $id, $comment and deprecated say nothing
-- of values. Any other keyword raises: a rule that is passed over is worse than none.
local haggle = require "haggle"

local schema = {}

local RULES_DEPTH_MAX, VALUE_DEPTH_MAX = 64, 128
local ANNOTATIONS = {
  title = true, description = true, default = true, examples = true, format = true,
  deprecated = true, ["$schema"] = true, ["$id"] = true, ["$comment"] = true, ["$defs"] = true,
}

-- In this order, so that of several faults the same is told each time.
local KEYWORDS = {
  "$ref", "type", "enum", "const", "required", "additionalProperties", "minProperties",
  "maxProperties", "properties", "minItems", "maxItems", "uniqueItems", "prefixItems", "items",
  "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "anyOf",
  "oneOf", "allOf", "not",
}
local is -- is[keyword](value, rule, whole, at): nil, or what is wrong

-- A table, or a view of one of `state`.
local function is_table(value)
  local kind = type(value)
  return kind == "table" or kind == "userdata" and value ~= haggle.null and pcall(next, value)
end

-- An empty table is a list as well as an object.
local function is_list(value)
  return is_table(value) and (#value > 0 or next(value) == nil)
end

local function is_object(value)
  return is_table(value) and #value == 0
end

local function is_integer(value)
  return math.type(value) == "integer"
    or math.type(value) == "float" and value == math.floor(value)
end

local TYPES = {
  null = function(value) return value == haggle.null end,
  boolean = function(value) return type(value) == "boolean" end,
  integer = is_integer,
  number = function(value) return type(value) == "number" end,
  string = function(value) return type(value) == "string" end,
  array = is_list,
  object = is_object,
}

local function name_of(value)
  if value == nil then return "nothing" end
  if value == haggle.null then return "null" end
  local kind = type(value)
  if kind == "string" then return "text" end
  if kind == "number" then return is_integer(value) and "an integer" or "a number" end
  if is_table(value) then return #value > 0 and "a list" or "an object" end
  return kind == "boolean" and "a boolean" or "a " .. kind
end

local WORDS = {
  null = "null", boolean = "a boolean", integer = "an integer", number = "a number",
  string = "text", array = "a list", object = "an object",
}

local function equal(a, b)
  if not is_table(a) or not is_table(b) then return a == b end
  for key, value in pairs(a) do if not equal(value, b[key]) then return false end end
  for key in pairs(b) do if a[key] == nil then return false end end
  return true
end

local function show(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function wrong(at, text)
  return (at == "" and "" or at .. ": ") .. text
end

local function below(at, key)
  if math.type(key) == "integer" then return ("%s[%d]"):format(at, key) end
  return at == "" and tostring(key) or at .. "." .. key
end

local function resolve(whole, reference)
  if reference == "#" then return whole.root end
  local name = reference:match "^#/%$defs/([^/~]+)$"
  local found = name and whole.root["$defs"] and whole.root["$defs"][name]
  if found == nil then error("schema: there is no " .. tostring(reference), 0) end
  return found
end

-- What is wrong with the value, or nil. Too many rules that lead to others for the same value are a
-- mistake of the schema; how deep a value is, its author decides.
local function judge(value, rules, whole, at)
  if rules == true then return nil end
  if rules == false then return wrong(at, "nothing is allowed here") end
  if type(rules) ~= "table" then error("schema: expected a table, got " .. type(rules), 0) end
  whole.depth = whole.depth + 1
  if whole.depth > RULES_DEPTH_MAX then
    error("schema: nested deeper than " .. RULES_DEPTH_MAX, 0)
  end
  for keyword in pairs(rules) do
    if not ANNOTATIONS[keyword] and not is[keyword] then
      error(("schema: the keyword '%s' is not supported"):format(tostring(keyword)), 0)
    end
  end
  local found
  for _, keyword in ipairs(KEYWORDS) do
    if rules[keyword] ~= nil then
      found = is[keyword](value, rules[keyword], whole, at, rules)
      if found then break end
    end
  end
  whole.depth = whole.depth - 1
  return found
end

local function judge_part(value, rules, whole, at)
  local depth = whole.depth
  if whole.level == VALUE_DEPTH_MAX then
    return wrong(at, "lies deeper than " .. VALUE_DEPTH_MAX .. " levels")
  end
  whole.level, whole.depth = whole.level + 1, 0
  local found = judge(value, rules, whole, at)
  whole.level, whole.depth = whole.level - 1, depth
  return found
end

-- How many of the alternatives the value satisfies, and what is wrong with the first.
local function satisfied(value, alternatives, whole, at)
  local count, first = 0, nil
  for _, rules in ipairs(alternatives) do
    local found = judge(value, rules, whole, at)
    if found then first = first or found else count = count + 1 end
  end
  return count, first
end

local function size_rule(applies, size, less, unit)
  return function(value, rule, _, at)
    if not applies(value) then return nil end
    local actual = size(value)
    if less and actual < rule then
      return wrong(at, ("has %d %s, at least %d are needed"):format(actual, unit, rule))
    elseif not less and actual > rule then
      return wrong(at, ("has %d %s, at most %d are allowed"):format(actual, unit, rule))
    end
  end
end

local function number_rule(holds, words)
  return function(value, rule, _, at)
    if type(value) == "number" and not holds(value, rule) then
      return wrong(at, ("%s is not %s %s"):format(tostring(value), words, tostring(rule)))
    end
  end
end

local function is_text(value) return type(value) == "string" end
local function characters(text) return utf8.len(text) or #text end
local function length(list) return #list end
local function count(object)
  local n = 0
  for _ in pairs(object) do n = n + 1 end
  return n
end

is = {
  type = function(value, rule, _, at)
    local words = {}
    for _, name in ipairs(type(rule) == "table" and rule or { rule }) do
      if not TYPES[name] then error("schema: there is no type " .. show(name), 0) end
      if TYPES[name](value) then return nil end
      words[#words + 1] = WORDS[name]
    end
    return wrong(at, ("expected %s, got %s"):format(table.concat(words, " or "), name_of(value)))
  end,
  enum = function(value, rule, _, at)
    local shown = {}
    for _, one in ipairs(rule) do
      if equal(value, one) then return nil end
      shown[#shown + 1] = show(one)
    end
    return wrong(at, "expected one of " .. table.concat(shown, ", "))
  end,
  const = function(value, rule, _, at)
    if not equal(value, rule) then return wrong(at, "expected " .. show(rule)) end
  end,
  required = function(value, rule, _, at)
    if not is_object(value) then return nil end
    for _, name in ipairs(rule) do
      if value[name] == nil then return wrong(below(at, name), "is missing") end
    end
  end,
  properties = function(value, rule, whole, at)
    if not is_object(value) then return nil end
    for name, rules in pairs(rule) do
      local found = value[name] ~= nil and judge_part(value[name], rules, whole, below(at, name))
      if found then return found end
    end
  end,
  additionalProperties = function(value, rule, whole, at, rules)
    if not is_object(value) then return nil end
    local known = rules.properties or {}
    for name, one in pairs(value) do
      if known[name] == nil then
        if rule == false then return wrong(below(at, name), "is not a known member") end
        local found = judge_part(one, rule, whole, below(at, name))
        if found then return found end
      end
    end
  end,
  minProperties = size_rule(is_object, count, true, "members"),
  maxProperties = size_rule(is_object, count, false, "members"),
  prefixItems = function(value, rule, whole, at)
    if not is_list(value) then return nil end
    for i, rules in ipairs(rule) do
      local found = value[i] ~= nil and judge_part(value[i], rules, whole, below(at, i))
      if found then return found end
    end
  end,
  items = function(value, rule, whole, at, rules)
    if not is_list(value) then return nil end
    for i = #(rules.prefixItems or {}) + 1, #value do
      local found = judge_part(value[i], rule, whole, below(at, i))
      if found then return found end
    end
  end,
  minItems = size_rule(is_list, length, true, "items"),
  maxItems = size_rule(is_list, length, false, "items"),
  uniqueItems = function(value, rule, _, at)
    if not rule or not is_list(value) then return nil end
    for i = 2, #value do
      for j = 1, i - 1 do
        if equal(value[i], value[j]) then return wrong(below(at, i), "is there twice") end
      end
    end
  end,
  minLength = size_rule(is_text, characters, true, "characters"),
  maxLength = size_rule(is_text, characters, false, "characters"),
  minimum = number_rule(function(value, rule) return value >= rule end, "at least"),
  maximum = number_rule(function(value, rule) return value <= rule end, "at most"),
  exclusiveMinimum = number_rule(function(value, rule) return value > rule end, "above"),
  exclusiveMaximum = number_rule(function(value, rule) return value < rule end, "below"),
  anyOf = function(value, rule, whole, at)
    local n, first = satisfied(value, rule, whole, at)
    if n == 0 then return first or wrong(at, "nothing is allowed here") end
  end,
  oneOf = function(value, rule, whole, at)
    local n, first = satisfied(value, rule, whole, at)
    if n == 0 then return first or wrong(at, "nothing is allowed here") end
    if n > 1 then return wrong(at, ("fits %d of the alternatives, not one"):format(n)) end
  end,
  allOf = function(value, rule, whole, at)
    local _, first = satisfied(value, rule, whole, at)
    return first
  end,
  ["not"] = function(value, rule, whole, at)
    if not judge(value, rule, whole, at) then return wrong(at, "is what it must not be") end
  end,
  ["$ref"] = function(value, rule, whole, at)
    return judge(value, resolve(whole, rule), whole, at)
  end,
}

-- true; or nil and what is wrong, with its place ("items[2].price: expected an integer, got text").
-- Raises for a schema that is none.
function schema.check(value, rules)
  local found = judge(value, rules, { root = rules, depth = 0, level = 0 }, "")
  if found then return nil, found end
  return true
end

return schema
