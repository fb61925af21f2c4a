-- Text with holes. No code runs in a template, and what is filled in is escaped.
--
--   local template = require "haggle.template"
--   local LETTER = template.compile [[
--   Dear {{name}},
--   {{#each orders}}- {{item}}: {{price}} {{#if late}}(late){{else}}(sent){{/if}}
--   {{/each}}]]
--   local text = template.render(LETTER, { name = "Ada", orders = orders }, "none")
--
-- {{name}}          a value: text, a number or a boolean; {{a.b}} a field of a field
-- {{name?}}         the same, or nothing when there is none; else that is an error
-- {{#if name}} … {{else}} … {{/if}}    by whether there is a value: not false, "" or an empty list
-- {{#each list}} … {{/each}}           for each element, whose fields come before those around it;
--                                      {{.}} is the element itself, {{#}} its number
-- {{! a remark }}   nothing
--
-- The last argument of render says where the text goes: "html" (values are escaped for elements and
-- quoted attributes), "json" (each value is written as JSON, text with its quotes, safe also within
-- <script>), or "none". Output of more than 1 MiB, templates of more than 64 KiB and more than 16
-- levels are errors. Mistakes in a template raise, with the line.
local haggle = require "haggle"
local json = require "haggle.json"

local template = {}

local TEXT_MAX, OUTPUT_MAX, DEPTH_MAX = 64 << 10, 1 << 20, 16

-- Compiling --------------------------------------------------------------------------------------

local function line_of(text, at)
  local line = 1
  for _ in text:sub(1, at):gmatch "\n" do line = line + 1 end
  return line
end

local function fail(text, at, why)
  error("template, line " .. line_of(text, at) .. ": " .. why, 0)
end

local function path_of(text, at, name)
  if name == "." or name == "#" then return { name } end
  local path = {}
  for part in name:gmatch "[^.]+" do
    if not part:find "^[%a_][%w_-]*$" then fail(text, at, "'" .. name .. "' is no name") end
    path[#path + 1] = part
  end
  if #path == 0 or name:find("..", 1, true) or name:find "^%." or name:find "%.$" then
    fail(text, at, "'" .. name .. "' is no name")
  end
  return path
end

-- Nodes: text; { path =, name =, optional = }; and of "if" and "each"
-- { kind =, path =, name =, body =, other = }.
local function compile(text)
  local root = { body = {} }
  local stack, at = { root }, 1
  local function add(node)
    local top = stack[#stack]
    local list = top.in_other and top.other or top.body
    list[#list + 1] = node
  end
  while true do
    local start = text:find("{{", at, true)
    if not start then break end
    if start > at then add(text:sub(at, start - 1)) end
    local stop = text:find("}}", start + 2, true)
    if not stop then fail(text, start, "{{ that is not closed") end
    local tag = text:sub(start + 2, stop - 1):match "^%s*(.-)%s*$"
    local kind, name = tag:match "^#(%a+)%s+(%S+)$"
    local top = stack[#stack]
    if kind == "if" or kind == "each" then
      if #stack > DEPTH_MAX then fail(text, start, "more than " .. DEPTH_MAX .. " levels") end
      local node = { kind = kind, path = path_of(text, start, name), name = name, body = {},
        start = start }
      add(node)
      stack[#stack + 1] = node
    elseif tag == "else" then
      if top.kind ~= "if" or top.other then fail(text, start, "{{else}} without {{#if}}") end
      top.other, top.in_other = {}, true
    elseif tag:sub(1, 1) == "/" then
      if not top.kind or tag ~= "/" .. top.kind then
        fail(text, start, "{{" .. tag .. "}} closes nothing")
      end
      top.in_other, top.start = nil, nil
      stack[#stack] = nil
    elseif tag:sub(1, 1) ~= "!" then
      local optional = tag:sub(-1) == "?"
      name = optional and tag:sub(1, -2) or tag
      add { path = path_of(text, start, name), name = name, optional = optional }
    end
    at = stop + 2
  end
  if at <= #text then add(text:sub(at)) end
  local open = stack[#stack]
  if open.kind then fail(text, open.start, "{{#" .. open.kind .. "}} that is not closed") end
  return root.body
end

-- For the top level: what render takes, made once.
function template.compile(text)
  if type(text) ~= "string" then error("template.compile: text is needed", 2) end
  if #text > TEXT_MAX then error("template: " .. #text .. " bytes, limit " .. TEXT_MAX, 2) end
  local ok, nodes = pcall(compile, text)
  if not ok then error(nodes, 2) end
  return { template = nodes }
end

-- Rendering --------------------------------------------------------------------------------------

local HTML = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local escapes = {
  none = function(value) return tostring(value) end,
  html = function(value) return (tostring(value):gsub("[&<>\"']", HTML)) end,
  json = function(value)
    return (json.encode(value):gsub("[<>&]", function(c) return ("\\u%04x"):format(c:byte()) end))
  end,
}

-- Only tables and views of state have fields; text and bytes have methods, which are not for
-- templates.
local function field(value, name)
  local kind = type(value)
  if kind == "userdata" and value ~= haggle.null then
    if getmetatable(value) == "haggle.bytes" then return nil end
  elseif kind ~= "table" then
    return nil
  end
  return value[name]
end

local function find(scope, path)
  if path[1] == "." then return scope.value end
  if path[1] == "#" then return scope.number end
  local at, value = scope, nil
  while at and value == nil do
    value = field(at.value, path[1])
    at = at.parent
  end
  for i = 2, #path do value = field(value, path[i]) end
  if value == haggle.null then return nil end
  return value
end

local function holds(value)
  if not value or value == "" then return false end
  local kind = type(value)
  if kind == "table" or kind == "userdata" then return #value > 0 or next(value) ~= nil end
  return true
end

local function put(out, text)
  out.size = out.size + #text
  if out.size > OUTPUT_MAX then
    error("template: more than " .. OUTPUT_MAX .. " bytes come out", 0)
  end
  out[#out + 1] = text
end

local function render(nodes, scope, out)
  for _, node in ipairs(nodes) do
    if type(node) == "string" then
      put(out, node)
    elseif not node.kind then
      local value = find(scope, node.path)
      local kind = type(value)
      if kind == "string" or kind == "number" or kind == "boolean" then
        put(out, out.escape(value))
      elseif kind ~= "nil" or not node.optional then
        local what = value == nil and "not there" or "a " .. kind
        error("template: '" .. node.name .. "' is " .. what, 0)
      end
    elseif node.kind == "if" then
      local chosen = holds(find(scope, node.path)) and node.body or node.other
      if chosen then render(chosen, scope, out) end
    else
      local list = find(scope, node.path)
      local kind = type(list)
      if kind ~= "table" and kind ~= "userdata" then
        local what = list == nil and "not there" or "no list"
        error("template: '" .. node.name .. "' is " .. what, 0)
      end
      for i, value in ipairs(list) do
        render(node.body, { value = value, number = i, parent = scope }, out)
      end
    end
  end
end

-- Text: of what compile gave, or of a template's text.
function template.render(compiled, values, escape)
  if type(compiled) == "string" then compiled = template.compile(compiled) end
  if type(compiled) ~= "table" or not compiled.template then
    error("template.render: a template is needed, text or what compile gave", 2)
  end
  if not escapes[escape] then
    error('template.render: say where the text goes, as "html", "json" or "none"', 2)
  end
  local out = { size = 0, escape = escapes[escape] }
  local ok, why = pcall(render, compiled.template, { value = values }, out)
  if not ok then error(why, 2) end
  return table.concat(out)
end

return template
