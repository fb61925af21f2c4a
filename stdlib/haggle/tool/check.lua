-- haggle.tool.check: what `haggle check` finds. For the program's own tools, not for agents.
--
--   require "haggle.tool.check".run { paths = { "kiosk" }, allow = { "read=/proc/loadavg" } }
--     --> { files = 3, findings = { { file =, line =, column =, severity =, code =, message =,
--           advice = }… } }, or nil, why
--
-- A script is looked at in two ways. Its text is parsed (haggle.tool.parse), with all modules of
-- its own, and gone over by rules: names, flow, arguments, dialogue. And its top level is run once
-- in the sandbox (haggle.sandbox, which is C), which tells what it declares, in loops and modules
-- too; where both see the same mistake, the text's finding has the better place and is kept. What
-- the sandbox offers is found out by running haggle.tool.probe in it; what functions take stands
-- in stdlib/types.
local sandbox = require "haggle.sandbox"
local parse = require "haggle.tool.parse"
local probe = require "haggle.tool.probe"
local resolve = require "haggle.tool.resolve"
local types = require "haggle.tool.types"

local names = require "haggle.tool.names"
local flow = require "haggle.tool.flow"
local arguments = require "haggle.tool.arguments"
local dialogue = require "haggle.tool.dialogue"

local FINDINGS_MAX = 200 -- of one file
local UNITS_MAX = 1000 -- modules of one script

local check = {}
check.__index = check

-- What there is ----------------------------------------------------------------------------------

local function stdlib_modules()
  local found = { "haggle" }
  for _, file in ipairs(assert(sandbox.list(sandbox.stdlib .. "/haggle"))) do
    local name = file:match "^([%w_]+)%.lua$"
    if name and not name:find "_spec$" then found[#found + 1] = "haggle." .. name end
  end
  return found
end

-- The sandbox as a script finds it, and which functions are refused where.
local function environment()
  local path = sandbox.stdlib .. "/haggle/tool/probe.lua"
  local ran = assert(sandbox.load { name = "probe", path = path, source = probe.script,
    config = sandbox.encode { modules = stdlib_modules() }, start = true, ample = true })
  if ran.error then error("the probe of the sandbox failed: " .. ran.error) end
  local env = { effects = {}, declares = {} }
  for _, line in ipairs(ran.logged) do
    if line[1] == "environment" then env.globals, env.modules = line[2].globals, line[2].modules end
    if line[1] == "declares" then
      for _, name in ipairs(line[2].names) do env.declares[name] = true end
    end
  end
  for _, library in ipairs { "agent", "host" } do
    for field, thing in pairs(env.globals[library].fields) do
      if thing.effect then env.effects[library .. "." .. field] = true end
    end
  end
  return env
end

-- The same for specs, which run in plain Lua.
local function plain_environment()
  local globals = {}
  for name, value in pairs(_G) do
    globals[name] = { kind = type(value) }
    if type(value) == "table" and value ~= _G and value ~= package.loaded then
      globals[name].fields = {}
      for field in pairs(value) do globals[name].fields[field] = {} end
    end
  end
  globals.package.fields, globals.arg = nil, {}
  return { globals = globals, modules = {}, effects = {}, declares = {} }
end

local function annotations()
  local files = {}
  for _, folder in ipairs { "", "haggle/" } do
    for _, file in ipairs(assert(sandbox.list(sandbox.stdlib .. "/types/" .. folder))) do
      if file:find "%.lua$" then
        files[folder .. file] = assert(sandbox.read(sandbox.stdlib .. "/types/" .. folder .. file))
      end
    end
  end
  return types.read(files)
end

-- Places -----------------------------------------------------------------------------------------

-- Line and column (in bytes) of a byte.
local function place(unit, at)
  if not unit.lines then
    unit.lines = { 1 }
    for start in unit.source:gmatch "\n()" do unit.lines[#unit.lines + 1] = start end
  end
  local low, high = 1, #unit.lines
  while low < high do
    local middle = (low + high + 1) // 2
    if unit.lines[middle] <= at then low = middle else high = middle - 1 end
  end
  return low, at - unit.lines[low] + 1
end

-- Where the text of a line begins.
local function start_of(unit, line)
  place(unit, 1)
  local start = unit.lines[math.min(line, #unit.lines)]
  return unit.source:find("[^ \t]", start) or start
end

function check:report(unit, at, severity, code, message, advice)
  local line, column = place(unit, at)
  local key = table.concat({ unit.path, line, column, code, message }, "\0")
  if self.seen[key] then return end
  self.seen[key] = true
  local count = (self.counts[unit.path] or 0) + 1
  self.counts[unit.path] = count
  if count > FINDINGS_MAX then return end
  if count == FINDINGS_MAX then
    severity, code, message, advice = "error", "many", "there is more in this file", nil
  end
  table.insert(self.findings, { file = unit.path, line = line, column = column,
    severity = severity, code = code, message = message, advice = advice, at = at,
    order = #self.findings })
end

function check.did_you_mean(_, word, candidates)
  local list = {}
  for i = 1, math.min(#candidates, 900) do list[i] = candidates[i] end
  local nearest = sandbox.nearest(word, list)
  if nearest and #word <= 3 and nearest:sub(1, 1) ~= word:sub(1, 1) then nearest = nil end
  return nearest and nearest ~= word and ("did you mean '%s'?"):format(nearest) or nil
end

-- Something that the operator has to grant; what else than an error it is to go without.
function check:needs(unit, at, kind, value, who, severity)
  local grant = kind .. "=" .. value
  local subject = self.subject
  if not subject.grants then
    return self:report(unit, at, "note", "needs",
      ("%s needs the grant %s"):format(who, grant),
      ("--allow %s:%s"):format(subject.name, grant))
  end
  if sandbox.covers(subject.grants, kind, value) then return end
  self:report(unit, at, severity or "error", "grant",
    ("%s is not granted %s"):format(subject.name, grant),
    ("add --allow %s:%s, or allow = { \"%s\" } in the host file"):format(subject.name, grant,
      grant))
end

-- Units ------------------------------------------------------------------------------------------

local function check_encoding(self, unit)
  local nul = unit.source:find("\0", 1, true)
  if nul then
    self:report(unit, nul, "warning", "encoding", "a NUL byte", "remove it, or write \\0")
  end
  local _, bad = utf8.len(unit.source)
  if bad then
    self:report(unit, bad, "warning", "encoding", "a byte that is not UTF-8",
      "save the file as UTF-8; in a text, write bytes as \\xNN")
  end
end

-- What Lua itself refuses: where its parser and ours both see it, ours has the column.
local function check_syntax(self, unit)
  local chunk, why = load(unit.source, "=x", "t")
  local parsed, problem, at = parse(unit.source)
  if chunk and parsed then
    for key, value in pairs(parsed) do unit[key] = value end
    return true
  end
  why = why and why:match "^[^\n]*" -- it overflows with a traceback
  local line, message = (why or ""):match "^x:(%d+): (.*)$"
  if unit.source:find "^\27" then
    self:report(unit, 1, "error", "syntax", "this is compiled code", "a script is source text")
  elseif not chunk then
    line = tonumber(line) or place(unit, math.min(at or 1, #unit.source + 1))
    if not at or place(unit, math.min(at, #unit.source + 1)) ~= line then
      at = start_of(unit, line)
    end
    self:report(unit, at, "error", "syntax", message or why)
  else
    self:report(unit, at or 1, "warning", "syntax",
      "this file could not be analysed: " .. tostring(problem))
  end
  return false
end

-- A file of the script, read once for all scripts that have it.
function check:unit(path)
  if self.units[path] then return self.units[path] end
  local source, why = sandbox.read(path)
  local unit = { path = path, source = source or "" }
  self.units[path] = unit
  self.files = self.files + 1
  if not source then
    self:report(unit, 1, "error", "unreadable", why)
    return unit
  end
  check_encoding(self, unit)
  unit.good = check_syntax(self, unit)
  return unit
end

-- Whether the sandbox has a module of the stdlib, be it a file or part of the program.
function check:has_module(name)
  if self.requirable[name] == nil then
    local ran = sandbox.load { name = "probe", path = "probe.lua",
      source = ("require %q"):format(name), ample = true }
    self.requirable[name] = not (ran and ran.error)
  end
  return self.requirable[name]
end

-- The modules of its own that a unit names in require, also where the run has not come to.
local function add_required(self, units, unit, script_path, work)
  for _, call in ipairs(unit.calls) do
    local name = resolve.required(call)
    if name and not units[name] and name ~= "haggle" then
      local path, ours = sandbox.module(name, script_path)
      if not path then
        self:report(unit, call.args[1].at, "error", "module", ours)
      elseif not sandbox.exists(path) and not (ours and self:has_module(name)) then
        self:report(unit, call.args[1].at, "error", "module",
          ("module '%s' is not at %s"):format(name, path),
          ours and self:did_you_mean(name, stdlib_modules())
            or "a module lies beside the script: require \"x.y\" loads x/y.lua")
      elseif not ours then
        work[#work + 1] = { name = name, path = path }
      end
    end
  end
end

-- Module name → unit, the script's own under "". Those with mistakes of syntax are left out.
local function units_of(self, script_path, loaded)
  local units, work, count = {}, { { name = "", path = script_path } }, 0
  for _, module in ipairs(loaded) do
    if not module[3] then work[#work + 1] = { name = module[1], path = module[2] } end
  end
  while #work > 0 and count < UNITS_MAX do
    local next_one = table.remove(work, 1)
    if not units[next_one.name] then
      local unit = self:unit(next_one.path)
      count = count + 1
      if unit.good then
        units[next_one.name] = unit
        add_required(self, units, unit, script_path, work)
      end
    end
  end
  return units
end

-- The run ----------------------------------------------------------------------------------------

-- Whether an error of this text stands at the line, or within a call or table that does.
local function is_known(self, unit, line)
  for _, finding in ipairs(self.findings) do
    if finding.file == unit.path and finding.severity == "error" then
      if finding.line == line then return true end
      for _, call in ipairs(unit.calls or {}) do
        if call.stop and finding.at >= call.at and finding.at <= call.stop
          and place(unit, call.at) <= line and place(unit, call.stop) >= line then
          return true
        end
      end
    end
  end
  return false
end

-- What the run raised, at the place that it names.
local function report_raise(self, ran, paths)
  local chunk, line, message = ran.error:match "^#(%d+):(%d+): (.*)$"
  if not chunk then chunk, message = ran.error:match "^#(%d+): (.*)$" end
  local unit = self:unit(paths[tonumber(chunk) or 1] or paths[1])
  line = tonumber(line) or 1
  message = (message or ran.error):gsub("#(%d+):", function(number)
    return paths[tonumber(number)] and paths[tonumber(number)] .. ":"
  end)
  local at = start_of(unit, line)
  local quoted = unit.source:match("^[^\r\n]*", at):gsub("[ \r]+$", ""):sub(1, 120)
  local suffix = " | " .. quoted
  if message:sub(-#suffix) == suffix then message = message:sub(1, -#suffix - 1) end
  if unit.good == false or is_known(self, unit, line) then return end
  self:report(unit, at, "error", "raises", message,
    "the top level runs at every start: with this the agent does not start")
end

-- What the script asked for with agent.granted: without grants, that it may need it.
local function report_asked(self, units, ran)
  if self.subject.grants then return end
  for _, asked in ipairs(ran.asked) do
    local unit, at = units[""], 1
    for _, other in pairs(units) do
      for _, call in ipairs(other.calls) do
        if call.fn and resolve.path(call.fn) == "agent.granted" then
          unit, at = other, call.at
          if resolve.text(call.args[2]) == asked[2] then break end
        end
      end
    end
    if unit then self:needs(unit, at, asked[1], asked[2], "what is declared here") end
  end
end

local function run_script(self, unit, subject)
  local ran, why = sandbox.load { name = subject.name, path = subject.path, source = unit.source,
    config = subject.config, grants = subject.grants, limits = subject.limits }
  if not ran then
    self:report(unit, 1, "error", "raises", why)
    return { declared = {}, modules = {}, asked = {}, logged = {}, error = why }, { subject.path }
  end
  local paths = { subject.path }
  for _, module in ipairs(ran.modules) do paths[#paths + 1] = module[2] end
  return ran, paths
end

-- Whether a file gives a table of agents instead of being one.
local function is_host_file(unit)
  for _, item in ipairs(unit.result and unit.result.items or {}) do
    if item.key == "agents" then return true end
  end
  return false
end

-- One script: { name =, path =, config =, grants = (nil: none were given), limits = }.
function check:script(subject)
  local unit = self:unit(subject.path)
  self.subject = subject
  if not unit.good then return end
  if is_host_file(unit) then
    return self:report(unit, unit.result.at, "note", "host-file",
      "this is a host file: its agents are not looked at",
      ("haggle check --config %s"):format(subject.path))
  end
  local ran, paths = run_script(self, unit, subject)
  local units = units_of(self, subject.path, ran.modules)
  self.ran, self.loaded = not ran.error, {}
  for _, module in ipairs(ran.modules) do self.loaded[module[1]] = true end
  resolve.handlers(units, self.env.declares)
  names(self, units)
  flow(self, units)
  arguments.all(self, units)
  dialogue(self, units, self.ran and ran or nil)
  if ran.error then report_raise(self, ran, paths) end
  report_asked(self, units, ran)
end

-- A spec runs in plain Lua: only its syntax and its names can be told.
function check:spec(path)
  local unit = self:unit(path)
  if not unit.good then return end
  local env = self.env
  self.env = plain_environment()
  names(self, { [""] = unit })
  self.env = env
end

-- Work -------------------------------------------------------------------------------------------

-- Grants of one script out of --allow: "kind=value" for all, "NAME:kind=value" for one.
local function grants_of(self, allow, name)
  if #allow == 0 then return nil end
  local grants = {}
  for i, text in ipairs(allow) do
    local who, grant = text:match "^([^:=]*):(.*)$"
    if not who or who == name then
      grants[#grants + 1] = grant or text
      self.used[i] = true
    end
  end
  return grants
end

local function check_allow(allow)
  for _, text in ipairs(allow) do
    local ok, why = sandbox.grant(text:match "^[^:=]*:(.*)$" or text)
    if not ok then return nil, why end
  end
  return true
end

function check:path(path, allow)
  if path:find "_spec%.lua$" then return self:spec(path) end
  local name = sandbox.name(path) or path
  self:script { name = name, path = path, grants = grants_of(self, allow, name) }
end

-- agent.lua and the Lua files beside it; those that another one requires belong to it.
function check:folder(folder, files, allow)
  local prefix, scripts = folder:gsub("/+$", "") .. "/", {}
  if folder == "." then prefix = "" end
  for _, file in ipairs(files) do
    if file:find "%.lua$" then
      table.insert(scripts, file == "agent.lua" and 1 or #scripts + 1, file)
    end
  end
  if #scripts == 0 then return nil, folder .. ": there is no Lua file in this folder" end
  local required = {}
  for _, file in ipairs(scripts) do
    local unit = not file:find "_spec%.lua$" and self:unit(prefix .. file)
    for _, call in ipairs(unit and unit.calls or {}) do
      local module = resolve.required(call)
      local path = module and sandbox.module(module, prefix .. file)
      if path then required[path] = true end
    end
  end
  for _, file in ipairs(scripts) do
    if not required[prefix .. file] then self:path(prefix .. file, allow) end
  end
  return true
end

local function by_place(a, b)
  if a.file ~= b.file then return a.file < b.file end
  if a.line ~= b.line then return a.line < b.line end
  if a.column ~= b.column then return a.column < b.column end
  return a.order < b.order
end

local function check_paths(self, work)
  local ok, why = check_allow(work.allow)
  if not ok then return nil, why end
  for _, path in ipairs(work.paths) do
    local files = sandbox.list(path)
    if files then
      ok, why = self:folder(path, files, work.allow)
      if not ok then return nil, why end
    else
      self:path(path, work.allow)
    end
  end
  for i, text in ipairs(work.allow) do
    if not self.used[i] and #work.paths > 0 and not work.agents and text:find "^[^:=]*:" then
      return nil, ("--allow %s: no script here is named so"):format(text)
    end
  end
  return true
end

function check.run(work)
  local self = setmetatable({ findings = {}, seen = {}, counts = {}, units = {}, files = 0,
    requirable = {}, used = {}, env = environment(), types = annotations() }, check)
  for _, agent in ipairs(work.agents or {}) do self:script(agent) end
  local ok, why = check_paths(self, work)
  if not ok then return nil, why end
  table.sort(self.findings, by_place)
  return { files = self.files, findings = self.findings }
end

return check
