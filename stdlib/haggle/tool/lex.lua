-- haggle.tool.lex: the tokens of a Lua 5.4 text. For the program's own tools, not for agents.
--
--   local tokens = lex 'local a = "b"'
--   -- tokens.kind = { "local", "name", "=", "string", "end of file" }, tokens.at = { 1, 7, … }
--
-- kind: "name", "number", "string", "end of file", or the keyword or operator itself. `at` is where
-- a token begins, `stop` its last byte; both count bytes from 1. Comments are left out.
local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch "%a+" do
  KEYWORDS[word] = true
end
local OPERATORS = { -- by length, longest first
  { ["..."] = true },
  { ["=="] = true, ["~="] = true, ["<="] = true, [">="] = true, ["//"] = true, ["::"] = true,
    ["<<"] = true, [">>"] = true, [".."] = true },
}

-- The end of a long bracket that begins at `at`, or nil when there is none.
local function long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, stop = text:find("]" .. level .. "]", at + 2 + #level, true)
  return stop or false
end

local function skip_space(text, at)
  while true do
    at = text:find("[^ \t\r\n\v\f]", at)
    if not at then return #text + 1 end
    if text:sub(at, at + 1) ~= "--" then return at end
    local stop = long_bracket(text, at + 2)
    if stop == false then return nil, "a comment that does not end", at end
    if not stop then stop = (text:find("[\r\n]", at) or #text + 1) - 1 end
    at = stop + 1
  end
end

-- The last byte of a quoted string, or nil.
local function quoted(text, at)
  local quote = text:sub(at, at)
  local pattern = quote == '"' and '[\\"\n\r]' or "[\\'\n\r]"
  local from = at + 1
  while true do
    local found = text:find(pattern, from)
    if not found then return nil end
    local byte = text:sub(found, found)
    if byte == quote then return found end
    if byte ~= "\\" then return nil end
    local _, blank = text:find("^z[ \t\r\n\v\f]*", found + 1)
    local _, break_of_two = text:find("^\r\n", found + 1)
    from = (blank or break_of_two or found + 1) + 1
  end
end

local function number(text, at)
  local _, stop
  if text:find("^0[xX]", at) then
    _, stop = text:find("^0[xX][%x.]*", at)
    local _, exponent = text:find("^[pP][+-]?%d+", stop + 1)
    return exponent or stop
  end
  _, stop = text:find("^[%d.]+", at)
  local _, exponent = text:find("^[eE][+-]?%d+", stop + 1)
  return exponent or stop
end

local function operator(text, at)
  for i, known in ipairs(OPERATORS) do
    local candidate = text:sub(at, at + 3 - i)
    if known[candidate] then return candidate end
  end
  return text:match("^[-+*/%%^#&~|<>=(){}%[%];:,.]", at)
end

-- Kind and last byte of the token at `at`; or nil and what is wrong.
local function token(text, at)
  local word = text:match("^[%a_][%w_]*", at)
  if word then return KEYWORDS[word] and word or "name", at + #word - 1 end
  if text:find("^%.?%d", at) then return "number", number(text, at) end
  if text:find("^[\"']", at) then
    local stop = quoted(text, at)
    if stop then return "string", stop end
    return nil, "a string that does not end"
  end
  local stop = long_bracket(text, at)
  if stop then return "string", stop end
  if stop == false then return nil, "a string that does not end" end
  local found = operator(text, at)
  if found then return found, at + #found - 1 end
  return nil, "a character that is not of the language"
end

-- The tokens, or nil, what is wrong, and where.
return function(text)
  local tokens = { kind = {}, at = {}, stop = {} }
  local kinds, places, stops, count, at = tokens.kind, tokens.at, tokens.stop, 0, 1
  while true do
    local why, place
    at, why, place = skip_space(text, at)
    if not at then return nil, why, place end
    count = count + 1
    places[count] = at
    if at > #text then
      kinds[count], stops[count] = "end of file", #text
      return tokens
    end
    local kind, stop = token(text, at)
    if not kind then return nil, stop, at end
    kinds[count], stops[count] = kind, stop
    at = stop + 1
  end
end
