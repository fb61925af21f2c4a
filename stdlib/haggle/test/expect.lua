-- haggle.test.expect: what a spec can expect of a value. A part of haggle.test.
--
--   expect(reply.body):has { price = 4 }
--   expect(world:dead()).never:contains { code = "timeout" }
--
-- What is not as expected raises a table { failure = text }. Every method gives the expectation
-- back, so that another may follow.
local diff = require "haggle.test.diff"

local SHOWN_MAX = 10 -- differences, or messages, of one expectation

-- name → function(value, …) → whether it holds, why it does not, why it should not
local checks = {}

local Expectation = {}

local function about(value, negated)
  return setmetatable({ value = value, negated = negated }, Expectation)
end

function Expectation:__index(key)
  if key == "value" then return nil end -- the one that is looked at
  if key == "never" then return about(self.value, not self.negated) end
  local check = checks[key]
  if not check then error("there is no expectation '" .. tostring(key) .. "'", 2) end
  return function(given, ...)
    if getmetatable(given) ~= Expectation then
      error(("write expect(value):%s(…), with a colon"):format(key), 2)
    end
    local holds, why, why_not, value = check(given.value, ...)
    if (holds and true or false) == given.negated then
      error({ failure = given.negated and why_not or why }, 0)
    end
    if value ~= nil then return about(value, false) end
    return given
  end
end

local function expected(format, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do parts[i] = diff.brief(parts[i]) end
  return "expected " .. format:format(table.unpack(parts, 1, parts.n))
end

local function listed(lines)
  local more = #lines > SHOWN_MAX and ("\n… and %d more"):format(#lines - SHOWN_MAX) or ""
  return table.concat(lines, "\n", 1, math.min(#lines, SHOWN_MAX)) .. more
end

-- A text of several lines stands below the words about it.
local function in_text(words, text)
  if type(text) ~= "string" or not text:find "\n" then
    return words .. ", got " .. diff.brief(text)
  end
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = "  | " .. line end
  return words .. ", got\n" .. listed(lines)
end

-- Any value --------------------------------------------------------------------------------------

-- The same content: 1 and 1.0 differ, as they do in messages.
function checks.equals(value, wanted)
  local found = diff.between(wanted, value)
  return #found == 0, listed(found), expected("anything but %s", wanted)
end

function checks.differs_from(value, other)
  return #diff.between(other, value) > 0, ("both are %s"):format(diff.brief(other)),
    expected("%s, got %s", other, value)
end

-- At least the fields (of a list, the elements) of `wanted`; so at any depth for maps, but lists in
-- it are whole.
function checks.has(value, wanted)
  if type(value) ~= "table" then
    return false, ("expected a table, got %s"):format(diff.brief(value)), ""
  end
  local found = {}
  for _, key in ipairs(diff.sorted_keys(wanted)) do
    local inner = diff.between(wanted[key], value[key], diff.step(key), true)
    table.move(inner, 1, #inner, #found + 1, found)
  end
  return #found == 0, listed(found), expected("not to have %s", wanted)
end

function checks.exists(value)
  return value ~= nil, "expected a value, got nil", expected("nil, got %s", value)
end

function checks.is_nil(value)
  return value == nil, expected("nil, got %s", value), "expected a value, got nil"
end

function checks.is_true(value)
  return value == true, expected("true, got %s", value), "expected anything but true"
end

function checks.is_false(value)
  return value == false, expected("false, got %s", value), "expected anything but false"
end

-- "string", "table" …, and "integer" and "float" of numbers.
function checks.is_a(value, kind)
  return type(value) == kind or math.type(value) == kind,
    ("expected a value of type %s, got %s"):format(kind, diff.brief(value)),
    ("expected no value of type %s, got %s"):format(kind, diff.brief(value))
end

-- Numbers ----------------------------------------------------------------------------------------

function checks.is_between(value, least, most)
  return type(value) == "number" and value >= least and value <= most,
    expected("%s to %s, got %s", least, most, value),
    expected("a value outside of %s to %s, got %s", least, most, value)
end

function checks.is_near(value, wanted, tolerance)
  return type(value) == "number" and math.abs(value - wanted) <= tolerance,
    expected("%s, give or take %s, got %s", wanted, tolerance, value),
    expected("no value within %s of %s, got %s", tolerance, wanted, value)
end

-- Text and lists ---------------------------------------------------------------------------------

-- Text in which the pattern is found.
function checks.matches(value, pattern)
  return type(value) == "string" and value:find(pattern) ~= nil,
    in_text(expected("text like %s", pattern), value),
    in_text(expected("text unlike %s", pattern), value)
end

-- Of the elements, the one that is nearest to `wanted`.
local function nearest(value, wanted)
  local best, best_key
  for _, key in ipairs(diff.sorted_keys(value)) do
    local found = diff.between(wanted, value[key], ("[%s]"):format(diff.brief(key)), true)
    if not best or #found < #best then best, best_key = found, key end
  end
  return best, best_key
end

-- A text within the text; an element that `has` the fields, or is that value, in the table.
function checks.contains(value, wanted)
  if type(value) == "string" then
    return value:find(wanted, 1, true) ~= nil, in_text(expected("text with %s", wanted), value),
      in_text(expected("text without %s", wanted), value)
  end
  if type(value) ~= "table" then
    return false, ("expected text or a table, got %s"):format(diff.brief(value)), ""
  end
  local found, key = nearest(value, wanted)
  if not found then return false, expected("%s in it, but it is empty", wanted), "" end
  return #found == 0,
    ("%s; the nearest of its elements differs:\n%s"):format(
      expected("%s in it", wanted), listed(found)),
    ("%s, but [%s] is %s"):format(expected("no %s in it", wanted), diff.brief(key),
      diff.brief(value[key]))
end

-- So many elements; of text, bytes.
function checks.has_length(value, length)
  local is_countable = type(value) == "table" or type(value) == "string"
  return is_countable and #value == length,
    ("expected %s elements, got %s"):format(length,
      is_countable and ("%d: %s"):format(#value, diff.brief(value)) or diff.brief(value)),
    ("expected any length but %s"):format(length)
end

function checks.is_empty(value)
  local is_countable = type(value) == "table" or type(value) == "string"
  return is_countable and (value == "" or type(value) == "table" and next(value) == nil),
    expected("nothing in it, got %s", value), "expected something, got nothing"
end

-- Functions --------------------------------------------------------------------------------------

-- The call raises an error, in which the pattern (if one is given) is found. What follows is
-- expected of the error's text.
function checks.raises(fn, pattern)
  local ok, raised = pcall(fn)
  local like = pattern and " like " .. diff.show(pattern) or ""
  if ok then return false, ("expected an error%s, nothing was raised"):format(like), "" end
  local text = type(raised) == "table" and raised.failure or raised
  text = type(text) == "string" and text or diff.show(text)
  return pattern == nil or text:find(pattern) ~= nil,
    in_text("expected an error" .. like, text), in_text("expected no error" .. like, text), text
end

-- Peers ------------------------------------------------------------------------------------------

-- The peer has heard a message of this type, with at least these fields in its body; whether it was
-- taken since does not matter.
function checks.received(peer, kind, body)
  if type(peer) ~= "table" or type(peer.world) ~= "table" then
    error("received is about a peer: expect(peer):received(type, body)", 3)
  end
  local heard, lines, last = peer.world:messages { to = peer.id, handled = true }, {}, nil
  for _, message in ipairs(heard) do
    if message.type == kind then
      local found = body and diff.between(body, message.body, "body", true) or {}
      if #found == 0 then
        return true, nil, ("%s heard %s %s"):format(peer.name, kind, diff.brief(message.body))
      end
      last = found
    end
    lines[#lines + 1] = ("  %s from %s %s"):format(message.type, message.from,
      diff.brief(message.body))
  end
  local wanted = body and kind .. " " .. diff.brief(body) or kind
  if last then
    return false, ("%s did not hear %s; of the last one:\n%s"):format(peer.name, wanted,
      listed(last))
  end
  return false, ("%s did not hear %s%s"):format(peer.name, wanted,
    #lines > 0 and ", but\n" .. listed(lines) or ", nor anything else")
end

return function(value) return about(value, false) end
