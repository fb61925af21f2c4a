-- CSV (RFC 4180): fields in quotes may hold commas, quotes and line ends.
--
--   local csv = require "haggle.csv"
--   local rows, why = csv.parse("city,celsius\nGraz,20.5\n", { header = true })
--   local text = csv.format(rows, { columns = { "city", "celsius" }, safe = true })
--
-- Fields are text; tonumber makes numbers of them. Options of reading: header (the first line names
-- the fields, and rows are maps), separator (","), loose (rows with a header may have fewer or more
-- fields; those without a name are left out). Lines end with CR LF or LF.
local csv = {}

local FIELDS_MAX = 1000 -- of a row

local function check_options(options, known)
  for name in pairs(options) do
    if not known[name] then error("csv: unknown option '" .. tostring(name) .. "'", 3) end
  end
  local separator = options.separator or ","
  if type(separator) ~= "string" or #separator ~= 1 or separator:find '[\r\n"]' then
    error("csv: a separator is one character", 3)
  end
  return separator
end

local function fail(line, why) error({ csv = "CSV, line " .. line .. ": " .. why }, 0) end

-- The text in quotes that begin at `at`, where it ends, and the line there.
local function quoted(text, at, line)
  local parts, start = {}, at + 1
  while true do
    local quote = text:find('"', start, true)
    if not quote then fail(line, "a quote that is not closed") end
    parts[#parts + 1] = text:sub(start, quote - 1)
    if text:byte(quote + 1) ~= 34 then
      local value = table.concat(parts, '"')
      for _ in value:gmatch "\n" do line = line + 1 end
      return value, quote + 1, line
    end
    start = quote + 2
  end
end

-- The row that begins at `at`: its fields, where the next begins, and its line.
local function row_at(text, at, line, separator, stops)
  local fields = {}
  while true do
    local value, ends
    if text:byte(at) == 34 then
      value, ends, line = quoted(text, at, line)
    else
      ends = text:find(stops, at) or #text + 1
      value = text:sub(at, ends - 1)
    end
    if #fields == FIELDS_MAX then fail(line, "more than " .. FIELDS_MAX .. " fields") end
    fields[#fields + 1] = value
    local stop = text:sub(ends, ends)
    if stop == "\r" and text:byte(ends + 1) == 10 then stop, ends = "\n", ends + 1 end
    if stop == "" or stop == "\n" then return fields, ends + 1, line + 1 end
    if stop == '"' then fail(line, "a quote within a field: the whole field belongs in quotes") end
    if stop ~= separator then
      fail(line, stop == "\r" and "a carriage return without line feed"
        or "text behind a closing quote")
    end
    at = ends + 1
  end
end

local function map_of(names, fields, line, loose)
  if #fields ~= #names and not loose then
    fail(line, #fields .. " fields, the header names " .. #names)
  end
  local row = {}
  for i, name in ipairs(names) do row[name] = fields[i] end
  return row
end

local function check_header(names, line)
  local seen = {}
  for _, name in ipairs(names) do
    if name == "" then fail(line, "a field without a name") end
    if seen[name] then fail(line, "two fields named '" .. name .. "'") end
    seen[name] = true
  end
  return names
end

-- Row by row, for long texts: `for row, line in csv.rows(text) do`. Raises "CSV, line 3: …" where
-- the text is no CSV.
local function rows(text, options)
  local separator = check_options(options, { header = true, separator = true, loose = true })
  local stops = '["\r\n' .. (separator:find "%w" and separator or "%" .. separator) .. "]"
  local at, line, names = text:sub(1, 3) == "\u{FEFF}" and 4 or 1, 1, nil
  return function()
    while at <= #text do
      local first, fields = line
      fields, at, line = row_at(text, at, line, separator, stops)
      if not options.header then return fields, first end
      if names then return map_of(names, fields, first, options.loose), first end
      names = check_header(fields, first)
    end
  end
end

function csv.rows(text, options)
  if type(text) ~= "string" then error("csv.rows: text is needed", 2) end
  local next_row = rows(text, options or {})
  return function()
    local ok, row, line = pcall(next_row)
    if ok then return row, line end
    error(type(row) == "table" and row.csv or row, 2)
  end
end

-- A list of rows: lists of fields, or maps. Or nil, why, "malformed".
function csv.parse(text, options)
  if type(text) ~= "string" then error("csv.parse: text is needed", 2) end
  local next_row, all = rows(text, options or {}), {}
  while true do
    local ok, row = pcall(next_row)
    if not ok then
      if type(row) == "table" and row.csv then return nil, row.csv, "malformed" end
      error(row, 0)
    end
    if not row then return all end
    all[#all + 1] = row
  end
end

-- A field as it is written. With `safe` a spreadsheet does not take text for a formula: what begins
-- with = + - @, a tab or CR gets a ' in front (numbers do not).
local function written(value, separator, safe)
  if value == nil then return "" end
  local kind = type(value)
  if kind == "number" or kind == "boolean" then return tostring(value) end
  if kind ~= "string" then error("csv.format: a " .. kind .. " cannot be a field", 4) end
  if safe and value:find "^[=+@\t\r-]" then value = "'" .. value end
  if value:find '["\r\n]' or value:find(separator, 1, true) or value:find "^ " or value:find " $"
  then
    return '"' .. value:gsub('"', '""') .. '"'
  end
  return value
end

-- Text of a list of rows, lines ending with CR LF. options: columns (then rows are maps, and the
-- first line names these fields), separator, safe.
function csv.format(list, options)
  options = options or {}
  local separator = check_options(options, { columns = true, separator = true, safe = true })
  local columns, lines = options.columns, {}
  local function add(fields, count)
    local parts = {}
    for i = 1, count do parts[i] = written(fields[i], separator, options.safe) end
    -- An empty line would be no row.
    lines[#lines + 1] = count == 1 and parts[1] == "" and '""' or table.concat(parts, separator)
  end
  if columns then add(columns, #columns) end
  for _, row in ipairs(list) do
    if columns then
      local fields = {}
      for i, name in ipairs(columns) do fields[i] = row[name] end
      add(fields, #columns)
    else
      add(row, #row)
    end
  end
  lines[#lines + 1] = ""
  return table.concat(lines, "\r\n")
end

return csv
