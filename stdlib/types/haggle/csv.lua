---@meta haggle.csv

---CSV (RFC 4180): fields in quotes may hold separators, quotes and line ends.
---@class haggle.csv
local csv = {}

---@class haggle.csv.ReadOptions
---@field header? boolean the first line names the fields
---@field separator? string one character (",")
---@field loose? boolean rows may have other numbers of fields than the header

---@class haggle.csv.WriteOptions
---@field columns? string[] names, for rows that are maps, and for the first line
---@field separator? string one character (",")
---@field safe? boolean text that a spreadsheet would take for a formula gets a ' in front

---A list of rows, each a list of texts or, with a header, a map; nil, why, "malformed".
---@param text string
---@param options? haggle.csv.ReadOptions
---@return table[]? rows
---@return string? why
---@return haggle.Code? code
function csv.parse(text, options) end

---For long texts, row by row: `for row, line in csv.rows(text) do`.
---@param text string
---@param options? haggle.csv.ReadOptions
---@return fun(): table?, integer?
function csv.rows(text, options) end

---Text, lines ending with CR LF.
---@param list table[]
---@param options? haggle.csv.WriteOptions
---@return string
function csv.format(list, options) end

return csv
