-- haggle.tool.probe: a script that says what it finds around it. It is run as an agent, so that
-- what the checks and the tests know of the sandbox comes from the sandbox.
--
-- agent.config.modules names the modules to look into. What it finds is logged when it starts, as
-- "environment" and "declares", and told to whoever asks with probe/1.0/show:
--
--   { globals = { NAME = thing }, modules = { NAME = { fields = { NAME = thing } } or { why = } } }
--
-- A thing is { kind = type, fields = (of a table) { NAME = thing }, effect = true }: an effect is
-- refused at the top level. What declares is refused in a handler.
local script = [==[
local haggle = require "haggle"

local function thing(value, depth)
  local seen = { kind = type(value) }
  if type(value) == "table" and depth > 0 then
    seen.fields = {}
    for name, inner in pairs(value) do
      if type(name) == "string" then seen.fields[name] = thing(inner, depth - 1) end
    end
  end
  return seen
end

local seen = { globals = {}, modules = {} }
for name, value in pairs(_G) do
  seen.globals[name] = thing(value, value == _G and 0 or 1)
end
seen.globals.agent.fields.config.fields = nil
for _, name in ipairs(agent.config.modules) do
  local ok, value = pcall(require, name)
  if not ok then
    seen.modules[name] = { why = tostring(value) }
  else
    seen.modules[name] = { kind = type(value), fields = thing(value, 2).fields }
  end
end

-- Only what cannot do anything without arguments is called.
local callable = { agent = agent, host = host, haggle = haggle }

local function mark(field, words)
  for library, functions in pairs(callable) do
    local fields = library == "haggle" and seen.modules.haggle.fields
      or seen.globals[library].fields
    for name, value in pairs(functions) do
      if type(value) == "function" then
        local ok, why = pcall(value)
        fields[name][field] = not ok and tostring(why):find(words, 1, true) and true or nil
      end
    end
  end
end

mark("effect", "at the top level")

local function look()
  local here = haggle.array {}
  local function refused(value, ...)
    local ok, why = pcall(value, ...)
    return not ok and tostring(why):find("in a handler", 1, true) and true or nil
  end
  for _, name in ipairs { "agent", "host" } do
    for field, value in pairs(callable[name]) do
      if type(value) == "function" and not seen.globals[name].fields[field].effect
        and refused(value) then
        here[#here + 1] = name .. "." .. field
      end
    end
  end
  if refused(require, "haggle") then here[#here + 1] = "require" end
  return here
end

agent.on_start(function()
  log.info("environment", seen)
  log.info("declares", { names = look() })
end)

agent.on("probe/1.0/show", function(message)
  message:reply("shown", { environment = seen, declares = look() })
end)
]==]

return { script = script }
