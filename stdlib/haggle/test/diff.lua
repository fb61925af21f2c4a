-- haggle.test.diff: how two values differ, in lines that a person can read. A part of haggle.test.
--
--   local diff = require "haggle.test.diff"
--   diff.between({ a = 1 }, { a = 2 }, "value")  --> { "value.a: expected 1, got 2" }
local diff = {}

local TEXT_MAX = 300      -- bytes of one value that are shown
local LINE_MAX = 76       -- beyond that expected and got stand below each other
local DEPTH_MAX = 6       -- of tables that are shown
local COMPARED_MAX = 10000 -- pairs of elements, in a search for what was inserted

-- Placeholders -----------------------------------------------------------------------------------

-- What may stand in an expected value for any that `accepts` is true of.
local Placeholder = {}

function diff.placeholder(text, accepts)
  return setmetatable({ text = text, accepts = accepts }, Placeholder)
end

local function is_placeholder(value)
  return type(value) == "table" and getmetatable(value) == Placeholder
end

-- Showing ----------------------------------------------------------------------------------------

local function is_table(value) return type(value) == "table" and not is_placeholder(value) end

-- Numbers first, then text, each in its order.
local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    if math.type(a) or math.type(b) then return math.type(a) ~= nil end
    return tostring(a) < tostring(b)
  end)
  return keys
end
diff.sorted_keys = sorted_keys

local function show_text(text)
  return (("%q"):format(text):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("\t", "\\t"))
end

-- Lua's words are no field names.
local WORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch "%a+" do WORDS[word] = true end

local function is_name(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil and not WORDS[key]
end

local function show(value, depth, above)
  if is_placeholder(value) then return "<" .. value.text .. ">" end
  if type(value) == "string" then return show_text(value) end
  if type(value) ~= "table" then return tostring(value) end
  if above[value] then return "{itself}" end
  if depth > DEPTH_MAX then return "{…}" end
  above[value] = true
  local parts, listed = {}, #value
  for i = 1, listed do parts[i] = show(value[i], depth + 1, above) end
  for _, key in ipairs(sorted_keys(value)) do
    if not (math.type(key) == "integer" and key >= 1 and key <= listed) then
      local name = is_name(key) and key or "[" .. show(key, depth + 1, above) .. "]"
      parts[#parts + 1] = name .. " = " .. show(value[key], depth + 1, above)
    end
  end
  above[value] = nil
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

-- The whole value in one line.
function diff.show(value) return show(value, 0, {}) end

-- The same, its middle left out when it is long.
function diff.brief(value)
  local text = diff.show(value)
  if #text <= TEXT_MAX then return text end
  local head, tail = TEXT_MAX * 2 // 3, TEXT_MAX // 3
  while head > 0 and text:byte(head + 1) & 0xC0 == 0x80 do head = head - 1 end
  while tail > 0 and text:byte(-tail) & 0xC0 == 0x80 do tail = tail - 1 end
  local left = #text - head - tail
  return ("%s … (%d bytes) … %s"):format(text:sub(1, head), left, text:sub(-tail))
end

-- Comparing --------------------------------------------------------------------------------------

local compare

local function add(out, place, wanted, got)
  if #place + #wanted + #got <= LINE_MAX then
    out[#out + 1] = ("%s: expected %s, got %s"):format(place, wanted, got)
  else
    out[#out + 1] = ("%s:\n  expected %s\n  got      %s"):format(place, wanted, got)
  end
end

local function step(key)
  return is_name(key) and "." .. key or "[" .. diff.brief(key) .. "]"
end
diff.step = step

local function is_list(value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

-- Of texts of several lines, the first line that differs.
local function compare_lines(wanted, got, place, out)
  local wanted_lines, got_lines = lines_of(wanted), lines_of(got)
  local at = 1
  while wanted_lines[at] == got_lines[at] do at = at + 1 end
  add(out, ("%s, line %d"):format(place, at),
    wanted_lines[at] and diff.brief(wanted_lines[at]) or "no more lines",
    got_lines[at] and diff.brief(got_lines[at]) or "no more lines")
end

-- Lengths of the longest common subsequences of what is left of both lists, from each pair on.
local function common(wanted, got, partial)
  local lengths = { [#wanted + 1] = {} }
  for j = 1, #got + 1 do lengths[#wanted + 1][j] = 0 end
  for i = #wanted, 1, -1 do
    lengths[i] = { [#got + 1] = 0 }
    for j = #got, 1, -1 do
      local same = #compare(wanted[i], got[j], "", {}, partial, {}) == 0
      lengths[i][j] = same and lengths[i + 1][j + 1] + 1
        or math.max(lengths[i + 1][j], lengths[i][j + 1])
      lengths[i]["same" .. j] = same
    end
  end
  return lengths
end

-- What is missing and what is too much between two elements that agree: as far as both are there
-- they are compared with each other.
local function compare_gap(gap, wanted, got, place, out, partial)
  local both = math.min(#gap.missing, #gap.extra)
  for n = 1, both do
    local i, j = gap.missing[n], gap.extra[n]
    compare(wanted[i], got[j], ("%s[%d]"):format(place, j), out, partial, {})
  end
  for n = both + 1, #gap.missing do
    local i = gap.missing[n]
    out[#out + 1] = ("%s[%d]: missing: %s"):format(place, i, diff.brief(wanted[i]))
  end
  for n = both + 1, #gap.extra do
    local j = gap.extra[n]
    out[#out + 1] = ("%s[%d]: not expected: %s"):format(place, j, diff.brief(got[j]))
  end
end

local function compare_lists(wanted, got, place, out, partial)
  local lengths = common(wanted, got, partial)
  local i, j, gap = 1, 1, { missing = {}, extra = {} }
  while i <= #wanted or j <= #got do
    if i <= #wanted and j <= #got and lengths[i]["same" .. j] then
      compare_gap(gap, wanted, got, place, out, partial)
      i, j, gap = i + 1, j + 1, { missing = {}, extra = {} }
    elseif j > #got or i <= #wanted and lengths[i + 1][j] >= lengths[i][j + 1] then
      gap.missing[#gap.missing + 1] = i
      i = i + 1
    else
      gap.extra[#gap.extra + 1] = j
      j = j + 1
    end
  end
  compare_gap(gap, wanted, got, place, out, partial)
end

local function compare_tables(wanted, got, place, out, partial, above)
  if above[wanted] == got then return end -- a ring: this pair is being compared
  local before = above[wanted]
  above[wanted] = got
  local lists = is_list(wanted) and is_list(got)
  if lists and #wanted ~= #got and #wanted > 0 and #wanted * #got <= COMPARED_MAX then
    compare_lists(wanted, got, place, out, partial)
  else
    local keys = {}
    for key in pairs(wanted) do keys[key] = true end
    local whole = not partial or #wanted > 0
    if whole then for key in pairs(got) do keys[key] = true end end
    for _, key in ipairs(sorted_keys(keys)) do
      compare(wanted[key], got[key], place .. step(key), out, partial, above)
    end
  end
  above[wanted] = before
end

local function is_same(wanted, got)
  if wanted ~= wanted then return got ~= got end -- no number equals itself unless it is one
  return wanted == got and math.type(wanted) == math.type(got)
end

function compare(wanted, got, place, out, partial, above)
  if is_placeholder(wanted) then
    if not wanted.accepts(got) then add(out, place, diff.show(wanted), diff.brief(got)) end
  elseif is_same(wanted, got) then
    return out
  elseif is_table(wanted) and is_table(got) then
    compare_tables(wanted, got, place, out, partial, above)
  elseif type(wanted) == "string" and type(got) == "string"
    and (wanted:find "\n" or got:find "\n") then
    compare_lines(wanted, got, place, out)
  else
    add(out, place, diff.brief(wanted), diff.brief(got))
  end
  return out
end

-- A list of differences, each a text of one or a few lines. `partial`: maps in `got` may have more
-- fields, at any depth; lists may not have more elements.
function diff.between(wanted, got, name, partial)
  return compare(wanted, got, name or "value", {}, partial or false, {})
end

return diff
