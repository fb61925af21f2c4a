-- What a script finds around it is what stdlib/README.md says, neither more nor less.
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local MIRROR = [[
local haggle = require "haggle"
agent.on("mirror/1.0/show", function(message)
  local seen, tables = {}, { ["require \"haggle\""] = haggle }
  local plain = {}
  for name, value in pairs(_G) do
    plain[#plain + 1] = name
    if type(value) == "table" and value ~= _G then tables[name] = value end
  end
  seen[""] = plain
  for name, value in pairs(tables) do
    local fields = {}
    for field in pairs(value) do fields[#fields + 1] = field end
    seen[name] = fields
  end
  message:reply("seen", seen)
end)
]]

local function sorted(list)
  table.sort(list)
  return table.concat(list, " ")
end

-- Of the table below "Everything that a script finds": the first column names what has the fields.
local function documented()
  local file = assert(io.open(test.folder .. "/../../stdlib/README.md", "rb"))
  local page = file:read "a"
  file:close()
  local rows = assert(page:match "\nEverything that a script finds.-\n\n(|.-\n)\n")
  local found = {}
  for name, fields in rows:gmatch "| (%S[^|]-) | ([^|\n]-) |\n" do
    local list = {}
    for field in fields:gmatch "[%w_]+" do list[#list + 1] = field end
    name = name:match "^`(.+)`$" or name
    found[name == "globals" and "" or name] = list
  end
  return found
end

describe("the sandbox", function()
  it("holds what its page lists, and nothing else", function()
    local world = test.world()
    world:agent { name = "mirror", source = MIRROR }
    local seen = world:ask("mirror", "mirror/1.0/show", {}).body
    local listed = documented()
    expect(listed[""]):exists()
    for name, fields in pairs(seen) do
      expect { name, sorted(fields) }:equals { name, listed[name] and sorted(listed[name]) }
    end
    for name in pairs(listed) do expect { name, seen[name] ~= nil }:equals { name, true } end
  end)
end)
